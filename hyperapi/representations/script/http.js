/** Requests to the service, with the token of the session. */

import { record } from "./records.js";
import * as session from "./session.js";
import { isOurs, signIn } from "./start.js";

export const HAL_FORMS = "application/prs.hal-forms+json";
const FORM = "application/x-www-form-urlencoded";

/** There was no reply. */
export class Unreachable extends Error {}

/**
 * Send a request and return the reply.
 *
 * @param {string} uri
 * @param {{method?: string, headers?: Record<string, string>, body?: string,
 *   contentType?: string, anonymous?: boolean}} options
 * @returns {Promise<{status: number, statusText: string, ok: boolean, headers: Headers,
 *   document: any, type: string, uri: string, anonymous: boolean}>}
 */
export async function ask(uri, options = {}) {
  if (!isOurs(uri)) throw new Unreachable("This URI is not one of the service. Nothing was sent there.");
  const before = options.anonymous ? null : await fresh();
  const reply = await send(uri, options, before);
  if (reply.status !== 401 || !before?.refresh) return reply;
  const after = await refreshed(before);
  return after ? send(uri, options, after) : reply;
}

/**
 * @param {string} uri
 * @param {{method?: string, headers?: Record<string, string>, body?: string, contentType?: string}} options
 * @param {any} as the session; null for none
 */
async function send(uri, { method = "GET", headers = {}, body, contentType }, as) {
  /** @type {Record<string, string>} */
  const all = { Accept: HAL_FORMS, ...headers };
  if (body !== undefined && contentType) all["Content-Type"] = contentType;
  if (as) all.Authorization = `Bearer ${as.access}`;
  let response, text;
  try {
    response = await fetch(uri, { method, headers: all, body, credentials: "omit", cache: "no-cache" });
    text = await response.text();
  } catch {
    throw new Unreachable("The service cannot be reached. Check your connection, and try again.");
  }
  const type = (response.headers.get("Content-Type") ?? "").split(";")[0];
  const reply = {
    status: response.status,
    statusText: response.statusText,
    ok: response.ok,
    headers: response.headers,
    document: type.endsWith("json") ? parsed(text) : null,
    type,
    uri: response.url || uri,
    anonymous: !as,
  };
  record({ method, uri, headers: all, body, contentType }, reply);
  return reply;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** The session with a token that has not expired, as far as one can tell. */
async function fresh() {
  const now = session.current();
  return now && session.isStale(now) ? ((await refreshed(now)) ?? now) : now;
}

/** @type {Promise<any> | null} */
let refreshing = null;

/** Refresh a session, once for all requests that wait. Without success it is forgotten. */
function refreshed(old) {
  if (session.current()?.access !== old.access) return Promise.resolve(session.current());
  refreshing ??= refresh(old).finally(() => {
    refreshing = null;
  });
  return refreshing;
}

async function refresh(old) {
  const { document } = await send(signIn, {}, null);
  const form = Object.values(document?._templates ?? {}).find(takesRefreshToken);
  if (!form) return null;
  const sent = { refresh_token: old.refresh };
  const body = form.contentType === FORM ? String(new URLSearchParams(sent)) : JSON.stringify(sent);
  const reply = await send(form.target, { method: form.method, body, contentType: form.contentType }, null);
  if (reply.ok && session.hasTokens(reply.document)) session.adopt(reply.document);
  else if (reply.status < 500 && reply.status !== 429) session.forget();
  return session.current();
}

/** Whether a form is for refresh tokens, which a person never types. */
export const takesRefreshToken = (form) => form.properties.some((each) => each.name === "refresh_token");

/** The links of a reply's Link header (RFC 8288), by relation type. */
export function linksOf(headers) {
  const found = new Map();
  for (const [, uri, type] of (headers.get("Link") ?? "").matchAll(/<([^>]*)>\s*;\s*rel="([^"]*)"/g)) {
    if (!found.has(type)) found.set(type, uri);
  }
  return found;
}

/** The tag of a representation, for If-Match. */
export const tagOf = (reply) => reply.headers.get("ETag");
