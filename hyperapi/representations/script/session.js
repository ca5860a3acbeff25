/** The session of this tab. Its tokens are in sessionStorage, which ends with the tab. */

import { root } from "./start.js";

const KEY = `hyperapi ${root}`;
/** A token is refreshed this long before it expires. */
const EARLY_MS = 30_000;

/** The session; null when nobody is signed in. */
export function current() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "null");
  } catch {
    return null;
  }
}

/** Whether a document is a reply with tokens, by what OAuth 2 says of these (RFC 6749 §5.1). */
export const hasTokens = (document) =>
  typeof document?.access_token === "string" && document.token_type === "Bearer";

/** Keep the tokens of a reply. */
export function adopt(document) {
  const life = Number(document.expires_in) * 1000;
  const kept = {
    access: document.access_token,
    refresh: document.refresh_token ?? current()?.refresh ?? null,
    ends: Date.now() + life,
    early: Math.min(EARLY_MS, life / 5),
    uri: document._links?.self?.href ?? null,
  };
  sessionStorage.setItem(KEY, JSON.stringify(kept));
}

/** Forget the tokens. */
export function forget() {
  sessionStorage.removeItem(KEY);
}

/** Whether the access token has to be refreshed before it is used. */
export const isStale = (session) => session.refresh && Date.now() > session.ends - session.early;
