/** The page on which one signs in, and finds the way to register. */

import { submit } from "./actions.js";
import { h } from "./dom.js";
import { Drawn, templatesOf, visible } from "./forms.js";
import { ask } from "./http.js";
import { put } from "./page.js";
import { register, signIn } from "./start.js";

/** Show the forms to sign in. */
export async function showSignIn() {
  const reply = await ask(signIn, { anonymous: true });
  const place = { document: {}, shelves: [] };
  const drawn = templatesOf(reply.document).map(([, form]) => new Drawn(form, place, (each) => submit(each, reply, true)));
  put("Sign in", location.href, null, drawn.map((each) => h("article", {}, each.element)), await wayToRegister());
  drawn[0]?.focus();
}

/** The link to the form with which one registers; null when registration is closed. */
async function wayToRegister() {
  if (!register) return null;
  const reply = await ask(register, { anonymous: true });
  const [form] = templatesOf(reply.document).map(([, each]) => each).filter(takesPassword);
  if (!form) return null;
  return h("div", { class: "buttons" }, h("span", {}, "No account yet?"), h("a", { class: "button", href: register }, form.title));
}

const takesPassword = (form) => visible(form).some((each) => each.type === "password");
