/** The meanings of relations and problem types, which the service explains. */

import { isOurs } from "./start.js";

/** The meanings by the URIs of their pages. @type {Map<string, Promise<string>>} */
const meanings = new Map();

/** The meaning of a relation or a problem type by its URI; empty when it has none. */
export function meaningOf(uri) {
  if (!meanings.has(uri)) meanings.set(uri, readMeaning(uri));
  return /** @type {Promise<string>} */ (meanings.get(uri));
}

/** Ask again: another user may see other ones. */
export const forget = () => meanings.clear();

async function readMeaning(uri) {
  if (!isOurs(uri)) return "";
  try {
    const reply = await fetch(uri, { headers: { Accept: "application/json" } });
    return reply.ok ? String((await reply.json()).meaning ?? "") : "";
  } catch {
    return "";
  }
}
