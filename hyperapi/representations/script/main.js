/** Makes a page of the service usable: a client of HAL-FORMS that knows no resource. */

import { buttons } from "./actions.js";
import { drawBar } from "./bar.js";
import { templatesOf, visible } from "./forms.js";
import { meaningOf } from "./meanings.js";
import { open, showSignIn, shown, start } from "./navigation.js";
import { header, main, put, say } from "./page.js";
import { showProblem } from "./problem.js";
import * as draw from "./resource.js";
import * as session from "./session.js";
import * as signing from "./sign_in.js";
import { signOut } from "./sign_out.js";
import { isOurs } from "./start.js";
import { linkOf, nameOf } from "./values.js";

async function show(reply, quiet) {
  if (reply.status === 401) await askToSignIn(reply);
  else if (reply.ok) showResource(reply);
  else await showProblem(reply);
  keep();
  if (!quiet) header.querySelector("h1")?.focus();
  window.scrollTo(0, quiet ? scrollY : 0);
}

const keep = () => void drawBar(showSignIn, signOut);

async function askToSignIn(reply) {
  const ended = session.current() !== null || !reply.anonymous;
  session.forget();
  await signing.showSignIn();
  if (ended) say("Your session has ended. Sign in again to go on.", { bad: true });
}

function showResource(reply) {
  const { document: found } = reply;
  const items = draw.items(found, (item) => buttons(item, null));
  put(
    nameOf(found),
    linkOf(found, "self") ?? reply.uri,
    draw.upwards(found),
    draw.members(found),
    buttons(found, reply),
    items,
    draw.pages(found),
    draw.others(found, meaningOf),
  );
  if (found._embedded?.item?.length === 0) openFirst(found);
}

/** Open the form that puts the first item into an empty collection, or the only one. */
function openFirst(found) {
  const forms = templatesOf(found);
  const [name] = forms.find(([, form]) => adds(form)) ?? [];
  if (name) /** @type {HTMLElement} */ (main.querySelector(`[data-form="${CSS.escape(name)}"]`)).click();
}

const adds = (form) => form.method.toUpperCase() === "POST" && visible(form).some((each) => each.required);

document.addEventListener("click", (event) => {
  const link = /** @type {Element} */ (event.target).closest?.("a[href]");
  if (!(link instanceof HTMLAnchorElement) || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (!shown || !isOurs(link.href) || link.target || link.getAttribute("href")?.startsWith("#")) return;
  event.preventDefault();
  open(link.href, { push: true });
});
start({ show, keep, signIn: signing.showSignIn });
