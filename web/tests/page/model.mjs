// A model that says what is written down for it, behind OpenAI's protocol, on loopback. What it answers follows from the
// conversation alone, so a call that is repeated gets the same answer.

import { createServer } from "node:http";

const chunk = (choices, usage) => `data: ${JSON.stringify({ id: "x", object: "chat.completion.chunk", model: "scripted-1", choices, usage })}\n\n`;

function stream(delta, finish) {
  const choice = (delta, finish_reason = null) => [{ index: 0, delta, finish_reason }];
  const usage = { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 };
  return `${chunk(choice(delta))}${chunk(choice({}, finish))}${chunk([], usage)}data: [DONE]\n\n`;
}

function call(calls) {
  const listed = calls.map(([name, input], index) => ({ index, id: `c${index}`, type: "function", function: { name, arguments: JSON.stringify(input) } }));
  return stream({ tool_calls: listed }, "tool_calls");
}

/**
 * One agent: `steps` are its answers in order, each a list of calls, or a function of the conversation that gives a text.
 */
export class Model {
  static async start(prompt, steps) {
    const model = new Model();
    model.problems = [];
    const plan = { subtasks: [{ id: "1", agent_type: "builder", title: "Build the site", prompt, depends_on: [], acceptance: [] }] };
    model.server = createServer(async (request, response) => {
      let body = "";
      for await (const part of request) body += part;
      if (request.url === "/v1/models") {
        return response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ data: [{ id: "scripted-1" }] }));
      }
      response.setHeader("content-type", "text/event-stream");
      try {
        const { messages } = JSON.parse(body);
        if (String(messages[0].content).startsWith("You plan work")) return response.end(call([["submit_plan", plan]]));
        const step = steps[messages.filter((message) => message.role === "assistant").length];
        if (!step) throw new Error("the script is over");
        response.end(typeof step === "function" ? stream({ content: step(messages) }, "stop") : call(step));
      } catch (error) {
        model.problems.push(`${error}: ${request.method} ${request.url}`);
        response.writeHead(400, { "content-type": "application/json" }).end(JSON.stringify({ error: { message: String(error) } }));
      }
    });
    await new Promise((resolve) => model.server.listen(0, "127.0.0.1", resolve));
    const { port } = model.server.address();
    model.env = { MITEOS_MODEL: "openai/scripted-1", OPENAI_BASE_URL: `http://127.0.0.1:${port}/v1`, OPENAI_API_KEY: "none-is-needed" };
    return model;
  }

  async stop() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
