/** Shows problem documents (RFC 9457): what happened, and what to do next. */

import { h } from "./dom.js";
import { meaningOf } from "./meanings.js";
import { open } from "./navigation.js";
import { put } from "./page.js";
import { withCode } from "./resource.js";
import { root } from "./start.js";
import { table } from "./values.js";

/** Show the problem of a reply. */
export async function showProblem(reply) {
  const problem = reply.document ?? {};
  put(problem.title ?? `Status ${reply.status}`, `Status ${reply.status}`, null, await explained(problem, reply));
}

async function explained(problem, reply) {
  const why = problem.type ? await meaningOf(problem.type) : "";
  const wait = reply.headers.get("Retry-After");
  const errors = (problem.errors ?? []).map((each) => [each.parameter ?? each.pointer, each.detail]);
  return [
    problem.detail ? h("p", { class: "lead", dir: "auto" }, problem.detail) : null,
    errors.length ? table(errors) : null,
    h("h2", {}, "What to do next"),
    why ? h("p", {}, withCode(why)) : null,
    wait ? h("p", {}, `Try again in ${wait} s.`) : null,
    h(
      "div",
      { class: "buttons" },
      h("button", { type: "button", onclick: () => open(location.href) }, "Try again"),
      h("a", { class: "button", href: root }, "Start"),
    ),
  ];
}
