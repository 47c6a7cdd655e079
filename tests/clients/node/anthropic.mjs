// The Anthropic SDK on Node's fetch: plain, thinking, tools, streamed, a retry, `--count` streams in parallel.
import Anthropic from "@anthropic-ai/sdk";
import { SCHEMA, ask, main, script } from "./common.mjs";

const TOOL = { name: "get_weather", input_schema: SCHEMA };
const COMMON = { model: "mock-claude", max_tokens: 2000 };
const THINKING = { type: "enabled", budget_tokens: 1024 };

function view(name, message) {
  const { usage, content } = message;
  const joined = (type, key) => content.filter((block) => block.type === type).map((block) => block[key]).join("");
  return {
    case: name,
    api: "anthropic.messages",
    id: message.id,
    model: message.model,
    choices: [
      {
        finish: message.stop_reason,
        text: joined("text", "text"),
        reasoning: joined("thinking", "thinking"),
        refusal: "",
        tool_calls: content
          .filter((block) => block.type === "tool_use")
          .map((block) => ({ id: block.id, name: block.name, arguments: block.input })),
      },
    ],
    usage: {
      input_tokens: usage.input_tokens + usage.cache_creation_input_tokens + usage.cache_read_input_tokens,
      output_tokens: usage.output_tokens,
      cache_read_input_tokens: usage.cache_read_input_tokens,
      reasoning_output_tokens: null,
    },
  };
}

await main(async ({ base, count }) => {
  const { messages } = new Anthropic({ baseURL: base, apiKey: "sk-ant-secret-of-the-test-0123456789" });
  const create = async (name, more = {}, options = {}) =>
    view(name, await messages.create({ ...COMMON, messages: ask(name), ...more }, options));
  const streamed = async (name, more = {}, options = {}) =>
    view(name, await messages.stream({ ...COMMON, messages: ask(name), ...more }, options).finalMessage());
  const calls = [
    await create("plain", { system: "You are terse." }),
    await create("thinking", { thinking: THINKING }),
    await create("tools", { tools: [TOOL] }),
    await streamed("stream"),
    await streamed("stream-thinking", { thinking: THINKING }),
    await streamed("stream-gzip", {}, script({ encoding: "gzip", piece_bytes: 9 })),
    await streamed("stream-tools", { tools: [TOOL] }, script({ style: "tools", tool_calls: 2 })),
    { case: "retry", status: 529 }, // the SDK throws the body away, often unread
    await create("retry", {}, script([{ status: 529, retry_after_ms: 20 }, {}])),
  ];
  const names = Array.from({ length: count }, (_, number) => `parallel-${number}`);
  calls.push(...(await Promise.all(names.map((name) => streamed(name, {}, script({ delay_ms: 2 }))))));
  return calls;
});
