/** What two people, or two devices, changed at once; and what the server refused. */

import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { same } from "../../hyperapi.js";
import { NAMES, shown } from "../tasks.js";

export const disagreements = (app) =>
  app.writes.filter((write) => write.state !== "waiting").map((write) => (write.state === "conflict" ? conflict(app, write) : refused(app, write)));

function conflict(app, write) {
  const { current, label } = write;
  // One decides about all that was done to it here, also what waits behind the conflict.
  const all = app.writes.filter(({ uri }) => uri === write.uri);
  const { method } = all.at(-1); // a deletion may have been undone
  const body = Object.assign({}, ...all.map((each) => each.body));
  const touched = new Set(all.flatMap((each) => each.touched ?? []));
  const mine = [...touched].filter((name) => name in NAMES && !(current && same(body[name], current[name])));
  return html`<section class="conflict box" role="group" aria-labelledby="conflict-${write.id}">
    <h2 id="conflict-${write.id}" tabindex="-1">“<bdi>${label}</bdi>” was ${current ? "changed" : "deleted"} elsewhere</h2>
    ${method === "DELETE" ? html`<p>You deleted it. Elsewhere it became “<bdi>${current?.title}</bdi>”.</p>` : nothing}
    ${method === "PUT" && !current ? html`<p>Meanwhile you changed it here.</p>` : nothing}
    ${mine.length
      ? html`<table>
          <thead><tr><td></td><th scope="col">Yours</th>${current ? html`<th scope="col">Theirs</th>` : nothing}</tr></thead>
          <tbody>${mine.map((name) => html`<tr><th scope="row">${NAMES[name]}</th><td><bdi>${shown(name, body[name])}</bdi></td>${current ? html`<td><bdi>${shown(name, current[name])}</bdi></td>` : nothing}</tr>`)}</tbody>
        </table>`
      : nothing}
    <div class="row">
      <button class="main" @click=${() => app.keepMine(write)}>${method === "DELETE" ? "Delete it anyway" : "Keep mine"}</button>
      <button @click=${() => app.keepTheirs(write)}>${current ? "Keep theirs" : "Delete it"}</button>
    </div>
  </section>`;
}

function refused(app, write) {
  const homeless = write.reason?.startsWith("list_uri ");
  const list = homeless && app.view?.page?.form("create") ? app.list : null;
  return html`<section class="conflict box" role="group" aria-labelledby="refused-${write.id}">
    <h2 id="refused-${write.id}" tabindex="-1">“<bdi>${write.label}</bdi>” could not be sent</h2>
    <p class="wrong">${homeless ? "Its list is not there any more. Choose one to put it on." : write.reason}</p>
    <div class="row">
      ${list ? html`<button class="main" @click=${() => app.keepMine({ ...write, body: { ...write.body, list_uri: list.uri } })}><span>Put it on “<bdi>${list.get("title")}</bdi>”</span></button>` : nothing}
      ${homeless ? nothing : html`<button class="main" @click=${() => app.keepMine(write)}>Try again</button>`}
      <button @click=${() => app.keepTheirs(write)}>Discard it</button>
    </div>
  </section>`;
}
