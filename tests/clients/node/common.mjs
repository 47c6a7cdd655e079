// What the Node programs share: arguments as of the Python ones, and one JSON object as the last line of output.
// Each is a real process that is traced: it checks its own results and ends with exit code 1 on any surprise.

export const SCHEMA = {
  type: "object",
  properties: { city: { type: "string", examples: ["Lisbon"] }, days: { type: "integer" } },
  required: ["city"],
};

export function ask(name) {
  return [{ role: "user", content: `${name}: what is the weather — 天気?` }];
}

export function script(fields) {
  return { headers: { "x-mock-script": JSON.stringify(fields) } };
}

export function check(condition, what) {
  if (!condition) throw new Error(what);
}

export async function main(work) {
  const options = { count: 1 };
  const words = process.argv.slice(2);
  while (words.length > 0) {
    const name = words.shift().replace(/^--/, "");
    options[name] = name === "wait" ? true : words.shift();
  }
  if (options.wait) {
    console.log("ready");
    await new Promise((resolve) => process.stdin.once("data", resolve));
    process.stdin.destroy();
  }
  const calls = await work({ base: options.base, count: Number(options.count) });
  console.log(JSON.stringify({ pid: process.pid, calls }));
}
