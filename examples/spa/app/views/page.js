/** The whole page: one of its faces, and what lies over it. */

import { Later } from "../../hyperapi.js";
import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { explain } from "../app.js";
import { account } from "./account.js";
import { lists } from "./lists.js";
import { icon } from "./parts.js";
import { signIn } from "./signin.js";
import { tasks } from "./tasks.js";

export function page(app) {
  if (app.phase === "out") return signIn(app);
  if (app.phase === "starting") return starting(app);
  return html`
    <div class="app ${app.chosen ? "chosen" : ""}" ?inert=${Boolean(app.ended)}>
      <header class="top">
        <a class="brand" href="#" aria-label="To do: all lists"><span class="mark">${icon("check")}</span><span>To do</span></a>
        ${status(app)}
        <button id="account-button" class="quiet" aria-haspopup="dialog" @click=${() => app.openAccount()}>${icon("person")}<span class="wide"><bdi>${app.user.username}</bdi></span><span class="unseen">Account</span></button>
      </header>
      <main>${lists(app)}${tasks(app)}</main>
    </div>
    ${app.ended ? html`<div class="veil">${signIn(app)}</div>` : nothing}
    ${app.account && !app.ended ? account(app) : nothing}
    ${notice(app)}`;
}

const starting = (app) => html`<main class="way-in"><div class="mark">${icon("check")}</div>
  <h1>One moment</h1>
  <p role="status">${app.trouble ? explain(app.trouble) : app.slow ? "The server is slow to answer. Still waiting …" : "Reading your lists …"}</p>
  ${app.trouble ? html`<button class="main" @click=${() => app.retry()}>Try again</button>` : nothing}
</main>`;

/** How things stand between here and the server: honestly. */
function status(app) {
  const waiting = app.writes.filter((write) => write.state === "waiting").length;
  const left = waiting ? `${waiting} ${waiting === 1 ? "change waits" : "changes wait"}` : "";
  const states = {
    offline: ["away", `Offline${left ? `: ${left}` : app.view?.stale ? ": as last seen" : ""}`],
    broken: ["away", `${app.trouble instanceof Later ? "The server is busy" : "The server has trouble"}${left ? `: ${left}` : ""}`],
  };
  const [kind, text] = states[app.connection] ?? (app.slow ? ["slow", "The server is slow …"] : left ? ["slow", `Sending: ${left}`] : ["fine", ""]);
  return html`<p class="status ${kind}" id="status">${text ? html`<span><span class="dot"></span> ${text}</span>` : nothing}
    ${app.lasting || !app.writes.length ? nothing : html`<span>– keep this tab open</span>`}</p>`;
}

function notice(app) {
  if (!app.notice) return nothing;
  const { text, action, bad } = app.notice;
  const close = () => {
    app.notice = null;
    app.changed();
  };
  return html`<aside aria-label="Message" class="notice ${bad ? "bad" : ""}"><p>${text}</p>
    ${action ? html`<button class="quiet undo" @click=${() => { close(); action.work(); }}>${action.name}</button>` : nothing}<button class="quiet" aria-label="Close the message" @click=${close}>${icon("close")}</button></aside>`;
}
