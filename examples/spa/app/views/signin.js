/** The way in: sign in, sign up, or a token made elsewhere. */

import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { explain } from "../app.js";
import { form } from "./form.js";
import { failed, icon, submitting, typing } from "./parts.js";

export function signIn(app) {
  const { page, login, register } = app.forms ?? {};
  const mode = app.mode ?? "login";
  const turn = (to) => () => {
    app.mode = to;
    app.focus = "#sign-in input";
    app.changed();
  };
  return html`<main id="sign-in" class="way-in">
    <div class="mark">${icon("check")}</div>
    <h1>${app.ended ? "Sign in again" : mode === "register" ? "Make an account" : "Welcome"}</h1>
    ${app.ended
      ? html`<p>${app.ended} What you typed is still here${app.writes.length ? html`, and <b>${app.writes.length}</b> unsent ${app.writes.length === 1 ? "change waits" : "changes wait"} on this device` : nothing}.</p>`
      : html`<p class="soft">Your lists, in every tab and on every device.</p>`}
    ${!app.forms
      ? html`<p role="status">${app.trouble ? explain(app.trouble) : "Asking the server …"}</p>
          ${app.trouble ? html`<button class="main" @click=${() => app.findForms()}>Try again</button>` : nothing}`
      : mode === "token" ? token(app)
      : page ? elsewhere(app)
      : mode === "register" && register
        ? form(app, "register", register, {
            label: "Sign up", autocomplete: { password: "new-password" },
            send: (values) => app.send("register", () => app.register(values)),
          })
        : form(app, "login", login, {
            only: ["username", "password"], label: "Sign in", autocomplete: { password: "current-password" },
            send: (values) => app.send("login", () => app.signIn(values)),
          })}
    ${app.forms
      ? html`<p class="row middle">
          ${mode !== "login" ? html`<button class="link" @click=${turn("login")}>Sign in${page ? "" : " with a password"}</button>` : nothing}
          ${page && app.forms.users ? html`<a href=${app.forms.users} target="_blank" rel="noopener noreferrer">Sign up</a>` : nothing}
          ${!page && mode !== "register" && register ? html`<button class="link" @click=${turn("register")}>Sign up</button>` : nothing}
          ${mode !== "token" ? html`<button class="link" @click=${turn("token")}>Use a token</button>` : nothing}
        </p>`
      : nothing}
    ${app.lasting ? nothing : html`<p class="note">This browser lets the page store nothing: a reload signs you out, and changes made offline last as long as this tab.</p>`}
  </main>`;
}

/** The server asks for the password on a page of its own. */
function elsewhere(app) {
  const draft = app.draft("login");
  return html`<div data-draft="login">
    <p>You sign in on a page of the server, and choose there what this app may do.</p>
    ${failed(draft, [])}
    <button class="main" ?disabled=${draft.busy} @click=${() => app.send("login", () => app.openSignIn())}>Sign in</button>
  </div>`;
}

function token(app) {
  const draft = app.draft("token");
  const send = () => app.send("token", () => app.useToken((draft.values.token ?? "").trim()));
  return html`<form data-draft="token" @input=${typing(draft)} @submit=${submitting(send)}>
    <div class="field"><label for="token">Token</label>
      <input id="token" name="token" type="password" autocomplete="off" .value=${draft.values.token ?? ""}></div>
    ${failed(draft, [])}
    <button class="main" ?disabled=${draft.busy}>Go on with it</button>
  </form>`;
}
