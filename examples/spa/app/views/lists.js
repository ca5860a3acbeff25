/** The lists, with what is open on each. */

import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { repeat } from "../../vendor/lit-html/directives/repeat.js";
import { describedBy, failed, icon, invalid, submitting, typing, wrong } from "./parts.js";

export function lists(app) {
  const { page } = app.lists;
  const items = app.allLists;
  const open = items.reduce((sum, item) => sum + item.get("open_count"), 0);
  return html`<nav class="lists" aria-label="Lists">
    ${app.chosen ? nothing : html`<h1 class="unseen" tabindex="-1">Your lists</h1>`}
    <ul>
      ${entry(app, "all", "All tasks", open)}
      ${repeat(items, (item) => item.uri, (item) => entry(app, item.uri, item.get("title"), item.get("open_count"), item.get("done_count"), item.get("state")))}
    </ul>
    ${page && !items.length ? html`<p class="soft pad">${page.form("create") ? "Name your first list:" : "No lists yet."}</p>` : nothing}
    ${page?.form("create") ? add(app) : nothing}
  </nav>`;
}

const entry = (app, uri, title, open, done = 0, state = null) => html`<li>
  <a href="#${encodeURIComponent(uri)}" class="entry" aria-current=${app.chosen === uri ? "page" : nothing}>
    <bdi class="name">${title}</bdi>
    ${state ? html`<span class="chip ${state === "waiting" ? "waits" : "over"}">${icon("cloud")}<span class="unseen">${state === "waiting" ? "not sent yet" : "refused"}</span></span>` : nothing}
    <span class="count"><span aria-hidden="true">${open || (done ? "✓" : "")}</span><span class="unseen">${open} open${done ? `, ${done} done` : ""}</span></span>
  </a>
</li>`;

function add(app) {
  const draft = app.draft("new list");
  const send = () => draft.values.title?.trim() && app.addList({ title: draft.values.title });
  return html`<form class="add-list" data-draft="new list" novalidate @input=${typing(draft)} @submit=${submitting(send)}>
    <div class="joined">
      <input name="title" aria-label="Name of a new list" placeholder="New list" autocomplete="off" .value=${draft.values.title ?? ""}
        aria-invalid=${invalid(draft, "title")} aria-describedby=${describedBy(draft, "title", "new-list")}>
      <button class="quiet" aria-label="Make the list" ?disabled=${draft.busy}>${icon("add")}</button>
    </div>
    ${wrong(draft, "title", "new-list")}${failed(draft, ["title"])}
  </form>`;
}
