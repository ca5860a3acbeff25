// Serves page.html and the client on a free port, for the duration of a run of Playwright.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const FILES = {
  "/": ["text/html", readFileSync(new URL("page.html", import.meta.url))],
  "/hyperapi.js": ["text/javascript", readFileSync(new URL(import.meta.resolve("hyperapi-client")))],
};

export default async function setup() {
  const server = createServer(({ url }, reply) => {
    const [type, body] = FILES[url] ?? ["text/plain", ""];
    reply.setHeader("Content-Type", type).end(body);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  process.env.PAGE_URL = `http://127.0.0.1:${server.address().port}/`;
  return () => server.close();
}
