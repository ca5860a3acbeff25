/** The forms of resources: their buttons, what they send, and what comes of it. */

import { shelves } from "./bar.js";
import { showToken } from "./dialogs.js";
import { h, newId, words } from "./dom.js";
import { deletes, Drawn, fixed, isSearch, searchUri, templatesOf, visible } from "./forms.js";
import { ask, HAL_FORMS, linksOf } from "./http.js";
import { forget as forgetMeanings } from "./meanings.js";
import { go, open, reload, show, shown, showSignIn } from "./navigation.js";
import { beSilent, fail, main, say } from "./page.js";
import * as session from "./session.js";
import { signOut } from "./sign_out.js";
import { relation, root } from "./start.js";
import { agreed, send } from "./submission.js";
import { linkOf, nameOf } from "./values.js";

/**
 * The buttons of a resource's forms.
 *
 * @param {any} found the resource
 * @param {any} reply its reply; null for an item, which is read when one of its forms is opened
 */
export function buttons(found, reply) {
  const forms = templatesOf(found);
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
  if (!button.hasAttribute("aria-expanded")) beSilent(); // its change is the next that can be undone
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
  const known = [...new Set([...around, ...linked, location.href, ...shelves()])].filter(Boolean);
  return { document: shown?.document ?? {}, shelves: known };
}

/**
 * Submit a form.
 *
 * @param {Drawn} drawn
 * @param {any} seen the reply with the resource that the form is of
 * @param {boolean} anonymous whether it is sent without a token
 */
export async function submit(drawn, seen, anonymous) {
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
    say(problem.title, { bad: true, more: [h("button", { type: "button", onclick: showSignIn }, "Sign in again")] });
  }
}

/** Go on after a form was accepted. */
async function follow(template, reply, seen, drawn, anonymous) {
  const where = reply.headers.get("Location") ?? reply.headers.get("Content-Location");
  if (session.hasTokens(reply.document)) {
    if (!anonymous) return void (await showToken(reply.document), await reload());
    session.adopt(reply.document);
    forgetMeanings();
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
