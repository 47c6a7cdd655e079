// The OpenAI SDK on Node's fetch: plain, tools, streamed, a retry, an abandoned stream, `--count` streams in parallel.
import OpenAI from "openai";
import { SCHEMA, ask, check, main, script } from "./common.mjs";

const TOOL = { type: "function", function: { name: "get_weather", parameters: SCHEMA } };

function view(name, completion) {
  const usage = completion.usage;
  return {
    case: name,
    api: "openai.chat",
    id: completion.id,
    model: completion.model,
    choices: completion.choices.map(({ message, finish_reason }) => ({
      finish: finish_reason,
      text: message.content ?? "",
      reasoning: message.reasoning_content ?? "",
      refusal: message.refusal ?? "",
      tool_calls: (message.tool_calls ?? []).map((call) => ({
        id: call.id,
        name: call.function.name,
        arguments: JSON.parse(call.function.arguments),
      })),
    })),
    usage: usage && {
      input_tokens: usage.prompt_tokens,
      output_tokens: usage.completion_tokens,
      cache_read_input_tokens: usage.prompt_tokens_details.cached_tokens,
      reasoning_output_tokens: usage.completion_tokens_details.reasoning_tokens,
    },
  };
}

await main(async ({ base, count }) => {
  const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: "sk-secret-of-the-test-0123456789" });
  const { completions } = client.chat;
  const streamed = async (name, more = {}, options = {}) => {
    const body = { model: "mock-gpt", messages: ask(name), stream_options: { include_usage: true }, ...more };
    return view(name, await completions.stream(body, options).finalChatCompletion());
  };
  const calls = [
    view("plain", await completions.create({ model: "mock-gpt", messages: ask("plain"), temperature: 0.5 })),
    view("tools", await completions.create({ model: "mock-gpt", messages: ask("tools"), tools: [TOOL] })),
    view("large", await completions.create({ model: "mock/large", messages: ask("large") })),
    await streamed("stream"),
    await streamed("stream-br", {}, script({ encoding: "br", piece_bytes: 9 })),
    await streamed("stream-gzip", {}, script({ encoding: "gzip" })),
    await streamed("stream-tools", { tools: [TOOL] }, script({ style: "tools", tool_calls: 2 })),
    { case: "retry", status: 429 },
    view("retry", await completions.create({ model: "mock/rate-limited-briefly", messages: ask("retry") })),
  ];
  const names = Array.from({ length: count }, (_, number) => `parallel-${number}`);
  calls.push(...(await Promise.all(names.map((name) => streamed(name, {}, script({ delay_ms: 2 }))))));

  const abandoned = await completions.create(
    { model: "mock-gpt", messages: ask("abandoned"), stream: true },
    script({ delay_ms: 20, text_bytes: 2000 }),
  );
  let text = "";
  for await (const chunk of abandoned) {
    text += chunk.choices[0].delta.content ?? "";
    if (text.length > 60) break;
  }
  check(text.startsWith("You said: abandoned"), `the abandoned stream began with ${text}`);
  calls.push({ case: "abandoned", status: 200, text_begins: text });
  return calls;
});
