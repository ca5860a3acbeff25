/** The last requests and replies, as a program would send and get them, without secrets. */

import { h } from "./dom.js";

const MOST = 20;
const SECRET = /(^|_)(password|access_token|refresh_token)$/;
const HIDDEN = "…";

/** @type {{request: any, reply: any}[]} */
const records = [];

/** Keep a request with its reply. */
export function record(request, reply) {
  records.unshift({ request, reply });
  records.length = Math.min(records.length, MOST);
  draw();
}

/** Forget all requests: they show what the user sees. */
export function forget() {
  records.length = 0;
  draw();
}

const list = h("div");

/** The part of the page that shows the requests. */
export const section = h(
  "details",
  { class: "records" },
  h("summary", {}, "For programs: the requests of this page"),
  h("p", { class: "soft" }, "The last one is first. $TOKEN stands for an access token."),
  list,
);

function draw() {
  list.replaceChildren(
    ...records.map(({ request, reply }) =>
      h(
        "details",
        {},
        h("summary", {}, `${request.method} ${new URL(request.uri).pathname} → ${reply.status}`),
        h("pre", { tabindex: 0 }, curl(request)),
        h("pre", { tabindex: 0 }, shown(reply)),
      ),
    ),
  );
}

function curl({ method, uri, headers, body, contentType }) {
  const parts = ["curl", ...(method === "GET" ? [] : ["-X", method]), quoted(uri)];
  for (const [name, value] of Object.entries(headers)) {
    parts.push("\\\n  -H", name === "Authorization" ? '"Authorization: Bearer $TOKEN"' : quoted(`${name}: ${value}`));
  }
  if (body) parts.push("\\\n  -d", quoted(withoutSecrets(body, contentType)));
  return parts.join(" ");
}

/** A word for a POSIX shell. */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function withoutSecrets(body, contentType) {
  if (contentType === "application/json") return JSON.stringify(JSON.parse(body), hide);
  const fields = [...new URLSearchParams(body)];
  return String(new URLSearchParams(fields.map(([name, value]) => [name, hide(name, value)])));
}

const hide = (name, value) => (SECRET.test(name) ? HIDDEN : value);

function shown({ status, statusText, headers, document }) {
  const head = ["Content-Type", "ETag", "Location", "Link", "Retry-After"]
    .filter((name) => headers.get(name))
    .map((name) => `${name}: ${headers.get(name)}`);
  const body = document === null ? [] : ["", JSON.stringify(document, hide, 2)];
  return [`${status} ${statusText}`.trim(), ...head, ...body].join("\n");
}
