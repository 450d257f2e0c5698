// A scripted model behind the protocol of OpenAI's chat completions, on loopback, for what needs the live world: a workspace in
// which an agent really writes files, a site that is really built. What it answers follows from the request alone, so a call
// that is repeated gets the same answer.

import { createServer } from "node:http";

const NAME = "scripted-1";
const USAGE = { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 };

const chunk = (more) => `data: ${JSON.stringify({ id: "x", object: "chat.completion.chunk", model: NAME, choices: [], ...more })}\n\n`;

/** One answer: a text, or calls as [tool, arguments]. */
function answerText(reply) {
  const calls = Array.isArray(reply) && reply.map(([name, input], index) => ({ index, id: `c${index}`, type: "function", function: { name, arguments: JSON.stringify(input) } }));
  const choice = (delta, finish_reason = null) => chunk({ choices: [{ index: 0, delta, finish_reason }] });
  return `${choice(calls ? { tool_calls: calls } : { content: reply })}${choice({}, calls ? "tool_calls" : "stop")}${chunk({ usage: USAGE })}data: [DONE]\n\n`;
}

/** A plan of agents side by side: each by its title and its part. */
function plan(nodes) {
  const subtasks = nodes.map(([title, prompt], index) => ({
    id: String(index + 1), agent_type: "builder", title, prompt, depends_on: [], acceptance: [],
  }));
  return [["submit_plan", { subtasks }]];
}

/** What the script says to a conversation. */
function choose(script, messages) {
  const system = String(messages[0].content);
  const user = String(messages.find((each) => each.role === "user")?.content ?? "");
  if (system.startsWith("You plan work")) return plan(script.plan(user));
  if (system.startsWith("Several agents")) return [["submit_result", script.conclude]];
  const part = (user.split("You do this part of it:").pop() ?? "").split("\nResult of")[0];
  const reply = script.agent(part, messages.filter((each) => each.role === "assistant").length, messages);
  if (reply === undefined) throw new Error("the script is over");
  return reply;
}

/**
 * `script.plan(prompt)` gives the plan's nodes, `script.agent(part, turn, messages)` what an agent answers in its turn (from 0),
 * and `script.conclude` the answer to a task of several agents, with the files that it hands over.
 */
export class Model {
  /** What was asked that the script has no answer to. */
  problems = [];
  #script;
  #server;

  constructor(script) {
    this.#script = script;
  }

  static async start(script) {
    const model = new Model(script);
    model.#server = createServer((request, response) => void model.#answer(request, response));
    await new Promise((resolve) => model.#server.listen(0, "127.0.0.1", resolve));
    /** What a server is started with to use it. */
    model.env = { MITEOS_MODEL: `openai/${NAME}`, OPENAI_BASE_URL: `http://127.0.0.1:${model.#server.address().port}/v1`, OPENAI_API_KEY: "none-is-needed" };
    return model;
  }

  async #answer(request, response) {
    const say = (status, value) => response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    try {
      let text = "";
      for await (const part of request) text += part;
      // What models there are is asked when the server starts.
      if (request.method !== "POST") return say(200, { object: "list", data: [{ id: NAME, object: "model" }] });
      const answer = answerText(choose(this.#script, JSON.parse(text).messages));
      return response.writeHead(200, { "content-type": "text/event-stream" }).end(answer);
    } catch (error) {
      this.problems.push(`${error}: ${request.method} ${request.url}`);
      return say(400, { error: { message: String(error) } });
    }
  }

  async stop() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
