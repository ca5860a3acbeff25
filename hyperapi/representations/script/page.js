/** The page: its heading, its content, and what it says. */

import { h } from "./dom.js";
import { Unreachable } from "./http.js";
import { section as records } from "./records.js";

export const header = /** @type {HTMLElement} */ (document.querySelector("header"));
export const main = /** @type {HTMLElement} */ (document.querySelector("main"));
const footer = document.querySelector("footer");
export const brand = String(document.title.split(" · ").at(-1));
export const logo = header.querySelector("img");
export const bar = h("div", { class: "bar" });
const notices = h("div", { role: "status", class: "notices" });

main.id ||= "main";

/** Put a heading and content on the page. */
export function put(title, uri, above, ...content) {
  document.title = `${title} · ${brand}`;
  header.replaceChildren(
    bar,
    ...(above ? [above] : []),
    h("h1", { dir: "auto", tabindex: -1 }, title),
    h("p", { class: "uri" }, uri),
  );
  main.replaceChildren(notices, ...content.flat(Infinity).filter(Boolean), records);
  if (footer) footer.hidden = true;
}

/**
 * Say what happened, above the page.
 *
 * @param {string} text
 * @param {{bad?: boolean, more?: any[]}} options more: what follows the text
 */
export function say(text, { bad = false, more = [] } = {}) {
  if (!notices.isConnected) main.prepend(notices);
  notices.replaceChildren(h("div", { class: bad ? "notice bad" : "notice" }, h("bdi", {}, text), " ", ...more));
}

/** Say nothing more. */
export const beSilent = () => notices.replaceChildren();

/** Say that something failed. */
export function fail(failure) {
  if (!(failure instanceof Unreachable)) console.error(failure);
  say(failure instanceof Unreachable ? failure.message : "The page failed. Reload it, and try again.", { bad: true });
}
