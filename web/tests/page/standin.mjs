// A scripted model behind the protocol of OpenAI's chat completions, for tests that need the live world: a workspace in which
// an agent really writes files, and a preview that is really served. What it answers follows from the request alone.

import { createServer } from "node:http";

/** One answer of an agent: a text, or calls as [tool, arguments]. */
const frame = (delta, finish = null) =>
  `data: ${JSON.stringify({ id: "x", object: "chat.completion.chunk", model: "scripted-1", choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
const USAGE = { id: "x", object: "chat.completion.chunk", model: "scripted-1", choices: [], usage: { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 } };

function answerText(reply) {
  const calls = Array.isArray(reply) && reply.map(([name, input], index) => ({ index, id: `c${index}`, type: "function", function: { name, arguments: JSON.stringify(input) } }));
  const delta = calls ? { tool_calls: calls } : { content: reply };
  return `${frame(delta)}${frame({}, calls ? "tool_calls" : "stop")}data: ${JSON.stringify(USAGE)}\n\ndata: [DONE]\n\n`;
}

/** A plan of agents side by side: each by its title and its part. */
export function plan(nodes) {
  const subtasks = nodes.map(([title, prompt], index) => ({
    id: String(index + 1), agent_type: "builder", title, prompt, depends_on: [], acceptance: [],
  }));
  return [["submit_plan", { subtasks }]];
}

/**
 * `script.plan(prompt)` gives the plan's nodes, `script.agent(part, turn)` what an agent answers in its turn (from 0), and
 * `script.conclude` the answer to the task with the files that it hands over.
 */
export async function startModel(script) {
  const choose = (messages) => {
    const system = String(messages[0].content);
    const user = String(messages.find((each) => each.role === "user")?.content ?? "");
    if (system.startsWith("You plan work")) return plan(script.plan(user));
    if (system.startsWith("Several agents")) return [["submit_result", script.conclude]];
    const part = (user.split("You do this part of it:").pop() ?? "").split("\nResult of")[0];
    return script.agent(part, messages.filter((each) => each.role === "assistant").length);
  };
  const server = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk) => { text += chunk; });
    request.on("end", () => {
      // What models there are is asked when the server starts.
      if (request.method !== "POST") {
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify({ object: "list", data: [{ id: "scripted-1", object: "model" }] }));
        return;
      }
      response.setHeader("content-type", "text/event-stream");
      response.end(answerText(choose(JSON.parse(text).messages)));
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    /** What a server is started with to use it. */
    env: { OPENAI_BASE_URL: `http://127.0.0.1:${server.address().port}/v1`, OPENAI_API_KEY: "sk-test", MITEOS_MODEL: "openai/scripted-1" },
    stop: () => new Promise((resolve) => { server.closeAllConnections(); server.close(resolve); }),
  };
}
