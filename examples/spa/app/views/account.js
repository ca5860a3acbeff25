/** One's account: every form that the server offers for it, and one's sessions. */

import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { repeat } from "../../vendor/lit-html/directives/repeat.js";
import { form } from "./form.js";
import { icon } from "./parts.js";

const SAID = { edit: "Saved.", "change-password": "Your password is changed; other sessions have ended.", derive: "The token is made.", revoke: "The session has ended." };

export function account(app) {
  const { me, tokens, loading, made } = app.account;
  const close = () => app.closeAccount();
  return html`<dialog id="account" aria-labelledby="account-title" @cancel=${(event) => { event.preventDefault(); close(); }}>
    <header class="row spread"><h2 id="account-title" tabindex="-1">${app.user.username || "Your session"}</h2>
      <button class="quiet" aria-label="Close" @click=${close}>${icon("close")}</button></header>
    ${loading ? html`<p role="status">Loading …</p>` : nothing}
    ${(me?.forms ?? []).map((each) => part(app, `me ${each.name}`, each))}
    ${tokens?.form("derive") ? part(app, "derive", tokens.form("derive")) : nothing}
    ${made ? html`<p class="box note">Copy the token now, it is shown this once:<br><code tabindex="0">${made}</code></p>` : nothing}
    ${tokens ? sessions(app, tokens) : nothing}
    ${app.writes.length ? html`<p class="note">${app.writes.length} ${app.writes.length === 1 ? "change has" : "changes have"} not been sent. Signing out discards ${app.writes.length === 1 ? "it" : "them"}.</p>` : nothing}
    <footer class="row">
      <button class="main" @click=${() => app.signOut()}>Sign out</button>
      ${tokens?.form("revoke") ? html`<button class="danger" @click=${() => app.signOutEverywhere()}>Sign out everywhere</button>` : nothing}
    </footer>
  </dialog>`;
}

/** A form that opens when it is wanted. */
function part(app, name, described) {
  const toggle = () => app.toggle(name, app.open.has(name) ? null : `[data-draft="${CSS.escape(name)}"] :is(input, button)`);
  const send = (values) => app.sendForm(name, described, values, SAID[described.name] ?? "Done.");
  return html`<section class="part">
    <button class="unfold ${described.name === "delete" ? "red" : ""}" aria-expanded=${app.open.has(name) ? "true" : "false"} @click=${toggle}>${described.title}</button>
    ${app.open.has(name) && described.name === "delete" ? html`<p>Your account, ${app.allLists.length} ${app.allLists.length === 1 ? "list" : "lists"} and all tasks are deleted for good.</p>` : nothing}
    ${app.open.has(name) ? form(app, name, described, { send, autocomplete: { password: "new-password" } }) : nothing}
  </section>`;
}

function sessions(app, tokens) {
  return html`<section><h3>Sessions</h3><ul class="sessions">
    ${repeat(tokens.items, (item) => item.uri, (item) => {
      const used = new Date(item.get("last_used_at") ?? item.get("created_at"));
      const revoke = item.form("revoke");
      const called = item.get("label") || item.get("client") || "";
      const sure = `sure ${item.uri}`;
      const end = () => {
        app.open.delete(sure);
        app.sendForm(`revoke ${item.uri}`, revoke, {}, "The session has ended.");
      };
      return html`<li class="row spread"><div><p><bdi>${item.get("label") || item.get("client") || "A session"}</bdi>${item.get("current") ? html` <span class="chip">this one</span>` : nothing}</p>
        <p class="soft small">${item.get("scope")} · last used ${used.toLocaleString([], { dateStyle: "medium", timeStyle: "short" })}</p></div>
        ${revoke && !item.get("current") ? html`<button class="quiet" aria-expanded=${app.open.has(sure) ? "true" : "false"} aria-label="End the session ${called}" @click=${() => app.toggle(sure, app.open.has(sure) ? null : ".sessions .sure button")}>${icon("close")}</button>` : nothing}
        ${revoke && app.open.has(sure) ? html`<div class="sure box" role="group" aria-label="End this session?">
          <p>Whatever uses it is signed out.</p>
          <div class="row"><button class="danger" @click=${end}>End it</button>
          <button @click=${() => app.toggle(sure, "#account h2")}>Keep it</button></div>
        </div>` : nothing}</li>`;
    })}
  </ul></section>`;
}
