/** Goes from resource to resource, and remembers which one is shown. */

import { ask, HAL_FORMS } from "./http.js";
import { beSilent, fail, main } from "./page.js";

/** The reply that is shown. @type {any} */
export let shown = null;
/** Whether the page shows something else than what came with it. */
let replaced = false;
/** Counts what is opened, so that a slow reply does not replace a later one. */
let opened = 0;
/** The URI of the page, without its fragment. */
const here = () => location.href.split("#")[0];
let at = here();

/**
 * How the page shows what is opened.
 *
 * @typedef {object} Views
 * @property {(reply: any, quiet: boolean) => Promise<void>} show shows a reply
 * @property {() => void} keep keeps a document that came as a page
 * @property {() => Promise<void>} signIn shows the forms to sign in
 */

/** @type {Views} */
let views;

/** Open the first page. */
export function start(/** @type {Views} */ given) {
  views = given;
  window.addEventListener("popstate", () => here() !== at && open(location.href));
  open(location.href);
}

/**
 * Show a resource.
 *
 * @param {string} uri
 * @param {{push?: boolean, quiet?: boolean}} options push: as a new entry of the history; quiet: keep
 *   the focus and the notice
 */
export async function open(uri, { push = false, quiet = false } = {}) {
  const turn = ++opened;
  if (!quiet) beSilent();
  main.setAttribute("aria-busy", "true");
  try {
    const reply = await ask(uri.split("#")[0]);
    if (turn !== opened) return;
    if (reply.ok && reply.type !== HAL_FORMS) return void leave(uri, push);
    if (push) history.pushState(null, "", uri);
    at = here();
    await show(reply, quiet);
  } catch (failure) {
    if (turn === opened) fail(failure);
  } finally {
    main.removeAttribute("aria-busy");
  }
}

/** Go to what is no resource: a document. A page that shows it already stays as it came. */
function leave(uri, push) {
  if (push || replaced) location.assign(uri);
  else views.keep();
}

/** Show a reply. */
export async function show(reply, quiet = false) {
  shown = reply;
  replaced = true;
  await views.show(reply, quiet);
}

/** Show the forms to sign in, on the page of what is shown now. */
export async function showSignIn() {
  replaced = true;
  await views.signIn().catch(fail);
}

/** Show the resource again, after it may have changed. */
export const reload = () => open(location.href, { quiet: true });

/** Go to a resource. */
export const go = (uri) => open(uri, { push: uri !== location.href });
