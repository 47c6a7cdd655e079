// Node's own HTTP/2 client: one connection for all, `--count` streams on it at once, one that is cancelled.
import http2 from "node:http2";
import { ask, check, main, script } from "./common.mjs";

await main(async ({ base, count }) => {
  const { origin, pathname } = new URL(base);
  const session = http2.connect(origin);
  const call = (name, fields = {}, more = {}, stopAfter = Infinity) =>
    new Promise((resolve, reject) => {
      const request = session.request({
        ":method": "POST",
        ":path": `${pathname}/v1/chat/completions`,
        authorization: "Bearer sk-secret-of-the-test-0123456789",
        "content-type": "application/json",
        ...more.headers,
      });
      let text = "";
      request.setEncoding("utf8");
      request.on("data", (piece) => {
        text += piece;
        if (text.length > stopAfter) request.close(http2.constants.NGHTTP2_CANCEL);
      });
      request.on("error", reject);
      request.on("close", () => resolve(text));
      request.end(JSON.stringify({ model: "mock-gpt", messages: ask(name), ...fields }, null, 1));
    });
  const answer = (name, text) => {
    const { id, choices } = JSON.parse(text);
    return { case: name, id, text: choices[0].message.content };
  };
  const streamed = (name, text) => {
    const events = text.split("\n").filter((line) => line.startsWith("data: ")).map((line) => line.slice(6));
    check(events.pop() === "[DONE]", "the stream did not end with [DONE]");
    const chunks = events.map((event) => JSON.parse(event));
    const content = chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("");
    return { case: name, id: chunks[0].id, text: content };
  };
  const calls = [
    answer("plain", await call("plain")),
    answer("large", await call("large", { user: "x".repeat(1 << 20) })),
  ];
  const names = Array.from({ length: count }, (_, number) => `parallel-${number}`);
  const slow = script({ delay_ms: 2, text_bytes: 400 });
  const all = await Promise.all(names.map((name) => call(name, { stream: true }, slow)));
  calls.push(...all.map((text, number) => streamed(names[number], text)));
  const begun = await call("cancelled", { stream: true }, script({ delay_ms: 20, text_bytes: 2000 }), 1500);
  check(begun.includes("data: "), "the cancelled stream");
  session.close();
  return calls;
});
