/** The bar above every page: where the service's root leads, and the session. */

import { h, words } from "./dom.js";
import { ask } from "./http.js";
import { bar, brand, header, logo } from "./page.js";
import * as session from "./session.js";
import { forPrograms, root } from "./start.js";

/** The root by the session that it was read with. @type {Map<any, Promise<any>>} */
const starts = new Map();

function startOf(as) {
  if (!starts.has(as)) {
    starts.clear();
    const reading = ask(root);
    reading.catch(() => starts.delete(as));
    starts.set(as, reading);
  }
  return /** @type {Promise<any>} */ (starts.get(as));
}

/**
 * Draw the bar.
 *
 * @param {() => void} signIn
 * @param {() => void} signOut
 */
export async function drawBar(signIn, signOut) {
  const signedIn = session.current() !== null;
  const start = await startOf(session.current()?.uri).catch(() => null);
  const links = Object.entries(start?.document?._links ?? {}).filter(
    ([name, link]) => !link.templated && name !== "self" && !forPrograms.includes(name),
  );
  bar.replaceChildren(
    h("a", { class: "skip", href: "#main" }, "To the content"),
    h("a", { class: "brand", href: root }, logo ?? brand),
    h(
      "nav",
      { "aria-label": "Service" },
      h(
        "ul",
        { class: "row" },
        links.map(([name, { href, title }]) =>
          h("li", {}, h("a", { rel: name, href, "aria-current": href === location.href ? "page" : null }, title ?? words(name))),
        ),
      ),
    ),
    signedIn
      ? h("button", { type: "button", onclick: signOut }, "Sign out")
      : h("button", { type: "button", class: "primary", onclick: signIn }, "Sign in"),
  );
  if (!bar.isConnected) header.prepend(bar);
}

/** Where the bar leads. */
export const shelves = () =>
  [...bar.querySelectorAll("nav a")].map((each) => /** @type {HTMLAnchorElement} */ (each).href);
