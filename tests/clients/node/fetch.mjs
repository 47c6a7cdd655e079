// No SDK: fetch alone, so that any runtime that has it (Node, Bun, Deno) makes the same calls. Answers are read to
// their ends; requests are larger than one TLS record.
import { ask, check, main, script } from "./common.mjs";

const URL_PATH = "/v1/chat/completions";

async function call(base, name, body, headers = {}) {
  const response = await fetch(base + URL_PATH, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer sk-secret-of-the-test-0123456789", ...headers },
    body: JSON.stringify({ model: "mock-gpt", messages: ask(name), ...body }),
  });
  const text = await response.text();
  check(response.status === 200, `${name}: ${response.status} ${text}`);
  check(body.stream ? text.includes("data: [DONE]") : JSON.parse(text).id, `${name}: not a whole answer`);
  return { case: name, status: response.status, characters: text.length };
}

await main(async ({ base, count }) => {
  const large = { metadata: { padding: "tundra fjord ".repeat(20_000) } };
  const calls = [
    await call(base, "plain", {}),
    await call(base, "large", large),
    await call(base, "stream", { stream: true }),
    await call(base, "stream-large", { stream: true, ...large }),
    await call(base, "stream-gzip", { stream: true }, script({ encoding: "gzip", piece_bytes: 9 }).headers),
  ];
  const names = Array.from({ length: count }, (_, number) => `parallel-${number}`);
  const more = script({ delay_ms: 2 }).headers;
  calls.push(...(await Promise.all(names.map((name) => call(base, name, { stream: true }, more)))));
  return calls;
});
