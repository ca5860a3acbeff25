/** Makes a page of the service usable: a client of HAL-FORMS that knows no resource. */

import { showToken } from "./dialogs.js";
import { h, newId, words } from "./dom.js";
import { deletes, Drawn, fixed, isSearch, searchUri, visible } from "./forms.js";
import { ask, HAL_FORMS, linksOf, takesRefreshToken, Unreachable } from "./http.js";
import { forget as forgetRecords, section as records } from "./records.js";
import * as draw from "./resource.js";
import * as session from "./session.js";
import { isOurs, relation, root, signIn } from "./start.js";
import { agreed, send } from "./submission.js";
import { linkOf, nameOf, table } from "./values.js";

const header = /** @type {HTMLElement} */ (document.querySelector("header"));
const main = /** @type {HTMLElement} */ (document.querySelector("main"));
const footer = document.querySelector("footer");
const brand = document.title.split(" · ").at(-1);
const logo = header.querySelector("img");
const bar = h("div", { class: "bar" });
const notices = h("div", { role: "status", class: "notices" });

/** Links of the root that the bar leaves out. */
const UNSEEN = ["self", "icon", "service-desc"];

/** The reply that is shown. @type {any} */
let shown = null;
/** Counts what is opened, so that a slow reply does not replace a later one. */
let opened = 0;
/** The URI of the page, without its fragment. */
const here = () => location.href.split("#")[0];
let at = here();

// -- opening

/**
 * Show a resource.
 *
 * @param {string} uri
 * @param {{push?: boolean, quiet?: boolean}} options push: as a new entry of the history; quiet: keep
 *   the focus and the notice
 */
async function open(uri, { push = false, quiet = false } = {}) {
  const turn = ++opened;
  if (!quiet) notices.replaceChildren();
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

/** Go to what is no resource: a document. The page that is shown already stays as it came. */
function leave(uri, push) {
  if (push) location.assign(uri);
  else drawBar();
}

async function show(reply, quiet) {
  shown = reply;
  if (reply.status === 401) {
    const ended = session.current() !== null || !reply.anonymous;
    session.forget();
    await showSignIn();
    if (ended) say("Your session has ended. Sign in again to go on.", { bad: true });
  } else if (reply.ok) showResource(reply);
  else await showProblem(reply);
  drawBar();
  if (!quiet) header.querySelector("h1")?.focus();
  window.scrollTo(0, quiet ? scrollY : 0);
}

/** Show the resource again, after it may have changed. */
const reload = () => open(location.href, { quiet: true });

const go = (uri) => open(uri, { push: uri !== location.href });

/** Put a heading and content on the page. */
function put(title, uri, ...content) {
  document.title = `${title} · ${brand}`;
  header.replaceChildren(
    bar,
    ...[shown?.ok ? draw.upwards(shown.document) : null].filter(Boolean),
    h("h1", { dir: "auto", tabindex: -1 }, title),
    h("p", { class: "uri" }, uri),
  );
  main.replaceChildren(notices, ...content.flat(Infinity).filter(Boolean), records);
  if (footer) footer.hidden = true;
}

function showResource(reply) {
  const { document: found } = reply;
  const items = draw.items(found, (item) => buttons(item, null));
  put(
    nameOf(found),
    linkOf(found, "self") ?? reply.uri,
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
  const forms = templatesOf(found).filter(([, form]) => !takesRefreshToken(form));
  const [name] = forms.find(([, form]) => adds(form)) ?? [];
  if (name) /** @type {HTMLElement} */ (main.querySelector(`[data-form="${CSS.escape(name)}"]`)).click();
}

const adds = (form) => form.method.toUpperCase() === "POST" && visible(form).some((each) => each.required);

// -- problems

async function showProblem(reply) {
  const problem = reply.document ?? {};
  put(problem.title ?? `Status ${reply.status}`, `Status ${reply.status}`, ...(await explained(problem, reply)));
}

async function explained(problem, reply) {
  const why = problem.type ? await meaningOf(problem.type) : "";
  const wait = reply.headers.get("Retry-After");
  const errors = (problem.errors ?? []).map((each) => [each.parameter ?? each.pointer, each.detail]);
  return [
    problem.detail ? h("p", { class: "lead", dir: "auto" }, problem.detail) : null,
    errors.length ? table(errors) : null,
    h("h2", {}, "What to do next"),
    why ? h("p", {}, draw.withCode(why)) : null,
    wait ? h("p", {}, `Try again in ${wait} s.`) : null,
    h(
      "div",
      { class: "buttons" },
      h("button", { type: "button", onclick: () => open(location.href) }, "Try again"),
      h("a", { class: "button", href: root }, "Start"),
    ),
  ];
}

function fail(failure) {
  if (!(failure instanceof Unreachable)) console.error(failure);
  say(failure instanceof Unreachable ? failure.message : "The page failed. Reload it, and try again.", { bad: true });
}

/** Say what happened, above the page. */
function say(text, { bad = false, more = [] } = {}) {
  if (!notices.isConnected) main.prepend(notices);
  notices.replaceChildren(h("div", { class: bad ? "notice bad" : "notice" }, h("bdi", {}, text), " ", ...more));
}

/** The meanings of relations and problem types by the URIs of their pages. @type {Map<string, Promise<string>>} */
const meanings = new Map();

function meaningOf(uri) {
  if (!meanings.has(uri)) meanings.set(uri, readMeaning(uri));
  return /** @type {Promise<string>} */ (meanings.get(uri));
}

async function readMeaning(uri) {
  if (!isOurs(uri)) return "";
  try {
    const reply = await fetch(uri, { headers: { Accept: "application/json" } });
    return reply.ok ? String((await reply.json()).meaning ?? "") : "";
  } catch {
    return "";
  }
}

// -- signing in and out

async function showSignIn() {
  const reply = await ask(signIn, { anonymous: true });
  const forms = templatesOf(reply.document).filter(([, form]) => !takesRefreshToken(form));
  const place = { document: {}, shelves: [] };
  const drawn = forms.map(([, form]) => new Drawn(form, place, (each) => submit(each, reply, true)));
  const start = await startOf(session.current()?.uri);
  shown = reply;
  put(
    "Sign in",
    location.href,
    drawn.map((each) => h("article", {}, each.element)),
    h("p", {}, "No account yet? The links of the service lead on."),
    start.ok ? draw.others(withoutTemplates(start.document), meaningOf) : null,
  );
  drawn[0]?.focus();
}

/** A document with the links that lead somewhere as they are. */
const withoutTemplates = (document) => ({
  _links: Object.fromEntries(Object.entries(document._links ?? {}).filter(([, link]) => !link.templated)),
});

async function signOut() {
  const { uri } = session.current() ?? {};
  try {
    const found = uri ? await ask(uri) : null;
    const form = templatesOf(found?.document).map(([, each]) => each).find(deletes);
    if (form) await ask(form.target, { method: form.method });
  } catch (failure) {
    fail(failure);
  }
  session.forget();
  forgetRecords();
  await go(root);
  say("You are signed out.");
}

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

async function drawBar() {
  const signedIn = session.current() !== null;
  const start = await startOf(session.current()?.uri).catch(() => null);
  const links = Object.entries(start?.document?._links ?? {}).filter(
    ([name, link]) => !link.templated && !UNSEEN.includes(name),
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
      : h("button", { type: "button", class: "primary", onclick: showSignInHere }, "Sign in"),
  );
  if (!bar.isConnected) header.prepend(bar);
}

const showSignInHere = () => showSignIn().catch(fail);

// -- forms

const templatesOf = (document) => Object.entries(document?._templates ?? {});

/**
 * The buttons of a resource's forms.
 *
 * @param {any} found the resource
 * @param {any} reply its reply; null for an item, which is read when one of its forms is opened
 */
function buttons(found, reply) {
  const forms = templatesOf(found).filter(([, form]) => !takesRefreshToken(form));
  if (!forms.length) return null;
  const panel = h("div", { id: newId() });
  const row = forms.map(([name, form]) => {
    const button = h(
      "button",
      {
        type: "button",
        "data-form": name,
        class: deletes(form) ? "danger" : null,
        "aria-expanded": visible(form).length ? "false" : null,
        "aria-controls": visible(form).length ? panel.id : null,
        onclick: () => toggle(button, panel, name, found, reply),
      },
      form.title ?? words(name),
    );
    return button;
  });
  return [h("div", { class: "buttons" }, row), panel];
}

async function toggle(button, panel, name, found, reply) {
  const was = button.getAttribute("aria-expanded") === "true";
  for (const each of button.parentElement.children) {
    if (each.hasAttribute("aria-expanded")) each.setAttribute("aria-expanded", "false");
  }
  panel.replaceChildren();
  if (was) return;
  button.disabled = true;
  try {
    const seen = reply ?? (await ask(linkOf(found, "self")));
    const form = seen.document?._templates?.[name];
    if (!seen.ok || !form) return void (await reload(), say("It has changed meanwhile. Look again.", { bad: true }));
    if (!visible(form).length) {
      if (await agreed(form, seen.document)) await finish(form, fixed(form), seen, null);
      return;
    }
    const drawn = new Drawn(form, placeOf(seen.document), (each) => submit(each, seen, false));
    panel.replaceChildren(drawn.element);
    button.setAttribute("aria-expanded", "true");
    drawn.focus();
  } catch (failure) {
    fail(failure);
  } finally {
    button.disabled = false;
  }
}

/** Where a field for a URI finds resources: the collections that the resource and the root link. */
function placeOf(found) {
  const around = ["collection", "up"].map((name) => linkOf(found, name));
  const linked = ["collection", "up"].map((name) => linkOf(shown?.document, name));
  const starts = [...bar.querySelectorAll("nav a")].map((each) => /** @type {HTMLAnchorElement} */ (each).href);
  const shelves = [...new Set([...around, ...linked, location.href, ...starts])].filter(Boolean);
  return { document: shown?.document ?? {}, shelves };
}

async function submit(drawn, seen, anonymous) {
  const { template } = drawn;
  try {
    if (isSearch(template)) return await open(searchUri(template, drawn.values), { push: true });
    await finish(template, drawn.values, seen, drawn, anonymous);
  } catch (failure) {
    fail(failure);
  }
}

/** Send a form, and show what came of it. */
async function finish(template, values, seen, drawn, asked = false) {
  const anonymous = asked || session.current() === null;
  const reply = await send(template, values, seen, anonymous);
  if (reply === null) return;
  if (reply.theirs) return void (await reload(), say("You see what is there now."));
  if (!reply.ok) return void (await refuse(reply, drawn));
  await follow(template, reply, seen, drawn, anonymous);
}

async function refuse(reply, drawn) {
  if (reply.status === 401 && !reply.anonymous) return void (await show(reply, false));
  const problem = reply.document ?? { title: `Status ${reply.status}` };
  const wait = reply.headers.get("Retry-After");
  const detail = [problem.detail, wait ? `Try again in ${wait} s.` : ""].filter(Boolean).join(" ");
  if (drawn) drawn.complain({ ...problem, detail });
  else say([problem.title, detail].filter(Boolean).join(". "), { bad: true });
  if (/login-too-old$/.test(problem.type ?? "")) {
    say(problem.title, { bad: true, more: [h("button", { type: "button", onclick: showSignInHere }, "Sign in again")] });
  }
}

/** Go on after a form was accepted. */
async function follow(template, reply, seen, drawn, anonymous) {
  const where = reply.headers.get("Location") ?? reply.headers.get("Content-Location");
  if (session.hasTokens(reply.document)) {
    if (!anonymous) return void (await showToken(reply.document), await reload());
    session.adopt(reply.document);
    meanings.clear();
    return void (await open(location.href), say("You are signed in."));
  }
  if (deletes(template) && isSelf(template.target, session.current()?.uri)) return void (await signOut());
  const said = () => say(outcome(template, reply), { more: actions(reply, where) });
  if (anonymous && where) await go(where);
  else if (isSelf(template.target, location.href) && deletes(template)) await go(above());
  else await reload();
  if (shown?.status === 404 && where) await go(where);
  said();
  if (drawn && reply.status === 201) reopen(template.title);
}

const isSelf = (target, uri) => target === uri?.split("?")[0];

/** Where one is after the resource of the page was deleted. */
const above = () => ["collection", "up", "list"].map((each) => linkOf(shown.document, each)).find(Boolean) ?? root;

/** Open a form again, for the next one. */
function reopen(title) {
  const again = [...main.querySelectorAll("[data-form]")].find((each) => each.textContent === title);
  if (again && again.getAttribute("aria-expanded") === "false") /** @type {HTMLElement} */ (again).click();
}

function outcome(template, { status, document: found }) {
  const counted = found && !found._links?.self ? Object.entries(found).filter(([, value]) => typeof value === "number") : [];
  const told = counted.map(([name, value]) => `${words(name)}: ${value}`).join(", ");
  return [`${template.title}: done.`, told, status === 202 ? "It goes on." : ""].filter(Boolean).join(" ");
}

/** What can be done after a change: see the result, or take it back. */
function actions(reply, where) {
  const undo = linksOf(reply.headers).get(relation("undo")) ?? linkOf(reply.document, "undo");
  const seen = where && where !== location.href ? h("a", { href: where }, reply.document?._links ? nameOf(reply.document) : "Open") : null;
  const back = undo ? h("button", { type: "button", onclick: () => takeBack(undo) }, "Undo") : null;
  return [seen, " ", back].filter(Boolean);
}

async function takeBack(uri) {
  const template = { method: "POST", target: uri, title: "Undo", properties: [], contentType: HAL_FORMS };
  try {
    const reply = await ask(uri, { method: "POST" });
    if (!reply.ok) return void (await refuse(reply, null));
    await reload();
    say(outcome(template, reply), { more: actions(reply, null) });
  } catch (failure) {
    fail(failure);
  }
}

// -- the browser

document.addEventListener("click", (event) => {
  const link = /** @type {Element} */ (event.target).closest?.("a[href]");
  if (!(link instanceof HTMLAnchorElement) || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (!shown || !isOurs(link.href) || link.target || link.getAttribute("href")?.startsWith("#")) return;
  event.preventDefault();
  open(link.href, { push: true });
});
window.addEventListener("popstate", () => here() !== at && open(location.href));

main.id ||= "main";
open(location.href);
