// The ws package with and without compression, and Node's own WebSocket where it has one; `--count` questions a socket.
import { WebSocket as Ws } from "ws";
import { check, main } from "./common.mjs";

const HEADERS = { authorization: "Bearer sk-secret-of-the-test-0123456789" };

async function talk(socket, variant, count) {
  const calls = [];
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve);
    socket.addEventListener("error", reject);
  });
  for (let number = 0; number < count; number += 1) {
    const name = `${variant}-${number}`;
    const done = new Promise((resolve) => {
      socket.addEventListener("message", function listen({ data }) {
        const event = JSON.parse(data);
        if (event.type !== "response.completed") return;
        socket.removeEventListener("message", listen);
        resolve(event.response.id);
      });
    });
    const input = number === 1 ? "天気 ".repeat(50_000) : "天気?";
    socket.send(JSON.stringify({ type: "response.create", case: name, deltas: 10, input }));
    calls.push({ case: name, id: await done });
  }
  const closed = new Promise((resolve) => socket.addEventListener("close", resolve));
  socket.close();
  await closed;
  return calls;
}

await main(async ({ base, count }) => {
  const target = (variant) => `${base.replace("https:", "wss:")}/${variant}/v1/responses`;
  const calls = [];
  for (const [variant, perMessageDeflate] of [["ws-deflate", { threshold: 0 }], ["ws-plain", false]]) {
    const socket = new Ws(target(variant), { headers: HEADERS, perMessageDeflate });
    calls.push(...(await talk(socket, variant, count)));
    check(socket.extensions === (perMessageDeflate ? "permessage-deflate" : ""), `agreed on "${socket.extensions}"`);
  }
  if (globalThis.WebSocket) {
    calls.push(...(await talk(new WebSocket(target("builtin")), "builtin", count)));
  }
  return calls;
});
