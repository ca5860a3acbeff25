/** Sends forms: with a key that makes repeating safe, and with the version that was seen. */

import { confirmed, resolved } from "./dialogs.js";
import { bodyOf, deletes } from "./forms.js";
import { ask, tagOf } from "./http.js";
import { linkOf, nameOf } from "./values.js";

/** Keys of POST requests by what they send, so that trying again repeats nothing. @type {Map<string, string>} */
const keys = new Map();

/**
 * Send a form.
 *
 * @param {any} template
 * @param {[string, any][]} values
 * @param {{document: any, headers: Headers}} seen the reply with the resource that the form is of
 * @param {boolean} anonymous whether it is sent without a token
 * @returns {Promise<any>} the reply; null when the user changed their mind
 */
export async function send(template, values, seen, anonymous) {
  const method = template.method.toUpperCase();
  const body = bodyOf(template, values);
  const request = `${method} ${template.target} ${body}`;
  /** @type {Record<string, string>} */
  const headers = {};
  if (method === "POST" && !anonymous) headers["Idempotency-Key"] = keyOf(request);
  else if (isOf(template, seen) && tagOf(seen)) headers["If-Match"] = tagOf(seen);
  const options = { method, body, contentType: template.contentType, anonymous };
  let reply = await ask(template.target, { ...options, headers });
  while (reply.status === 412) {
    const current = reply.document?.current;
    const labels = new Map(template.properties.map((each) => [each.name, each.prompt]));
    const shown = values.filter(([name]) => labels.has(name));
    const choice = await resolved(template.title, current, shown, labels);
    if (choice === "") return null;
    if (choice === "theirs") return { ...reply, theirs: true };
    reply = await ask(template.target, { ...options, headers: { "If-Match": tagOf(reply) ?? "*" } });
  }
  if (reply.ok) keys.delete(request);
  return reply;
}

/** Ask before something is deleted. */
export const agreed = async (template, document) => !deletes(template) || confirmed(template.title, nameOf(document));

/** Whether a form changes the very resource that was seen. A collection's tag is of its page. */
const isOf = (template, { document }) => template.target === linkOf(document, "self") && !document._embedded;

function keyOf(request) {
  if (!keys.has(request)) {
    const random = crypto.getRandomValues(new Uint8Array(16)); // randomUUID needs TLS
    keys.set(request, [...random].map((byte) => byte.toString(16).padStart(2, "0")).join(""));
  }
  return /** @type {string} */ (keys.get(request));
}
