/** One list's tasks, and what may be done with them. */

import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { live } from "../../vendor/lit-html/directives/live.js";
import { repeat } from "../../vendor/lit-html/directives/repeat.js";
import { Refused } from "../../hyperapi.js";
import { explain } from "../app.js";
import { PRIORITIES, SORTS, due, fromLocal, tagsOf, toLocal } from "../tasks.js";
import { disagreements } from "./conflict.js";
import { describedBy, failed, icon, invalid, submitting, typing, wrong } from "./parts.js";

export function tasks(app) {
  const { view, list } = app;
  if (!view) {
    const unsettled = disagreements(app);
    if (unsettled.length) return html`<div class="tasks">${unsettled}</div>`;
    return html`<div class="tasks empty"><p>${app.lists.page && !app.allLists.length ? "Make your first list to begin." : "Choose a list."}</p></div>`;
  }
  const shown = app.tasks;
  const page = view.page;
  return html`<div class="tasks" aria-busy=${view.loading ? "true" : "false"}>
    ${heading(app, list)}
    ${disagreements(app)}
    ${page?.form("create") && view.list ? add(app) : nothing}
    ${page?.form("search") && (view.list || app.allLists.length) ? tools(app, page) : nothing}
    <ul class="all" aria-label="Tasks">
      ${repeat(shown, (task) => task.uri, (task) => (app.open.has(`edit ${task.uri}`) && app.can(task, "edit") ? editing(app, task) : row(app, task)))}
    </ul>
    ${foot(app, shown)}
  </div>`;
}

function heading(app, list) {
  const [rename, remove] = [`rename ${list?.uri}`, `delete ${list?.uri}`];
  const draft = app.open.has(rename) && list?.form("edit") ? app.draft(rename) : null;
  const total = list ? list.get("open_count") + list.get("done_count") : 0;
  return html`<header class="list-head">
    <a class="back button" href="#" aria-label="Back to the lists">${icon("back")}</a>
    ${draft
      ? html`<h1 class="unseen">${list.get("title")}</h1><form class="joined grow" data-draft=${rename} novalidate @input=${typing(draft)} @submit=${submitting(() => app.renameList(list, { title: list.get("title"), ...draft.values }))}>
          <input name="title" aria-label="Name of the list" .value=${draft.values.title ?? list.get("title")} aria-invalid=${invalid(draft, "title")} aria-describedby=${describedBy(draft, "title", "rename")}>
          <button class="main" ?disabled=${draft.busy}>Save</button>
          <button type="button" @click=${() => app.cancel(rename, "#rename")}>Cancel</button>
          ${wrong(draft, "title", "rename")}${failed(draft, ["title"])}
        </form>`
      : html`<h1 id="list-title" tabindex="-1"><bdi>${list ? list.get("title") : "All tasks"}</bdi></h1>
          ${list?.form("edit") ? html`<button id="rename" class="quiet" aria-label="Rename this list" @click=${() => app.toggle(rename, ".list-head input")}>${icon("edit")}</button>` : nothing}
          ${list?.form("delete") ? html`<button id="delete-list" class="quiet" aria-label="Delete this list" @click=${() => app.toggle(remove, ".sure button")}>${icon("bin")}</button>` : nothing}`}
    ${app.open.has(remove) && list?.form("delete")
      ? html`<div class="sure box" role="group" aria-label="Delete this list?">
          <p>Delete “<bdi>${list.get("title")}</bdi>” and its ${total} ${total === 1 ? "task" : "tasks"}?</p>
          <div class="row"><button class="danger" @click=${() => app.deleteList(list)}>Delete it</button>
          <button @click=${() => app.toggle(remove, "#delete-list")}>Keep it</button></div>
        </div>`
      : nothing}
    ${total ? html`<div class="progress"><progress max=${total} value=${list.get("done_count")} aria-label="Done"></progress>
      <span class="soft small">${list.get("done_count")} of ${total} done</span></div>` : nothing}
  </header>`;
}

function add(app) {
  const draft = app.draft("add");
  const more = app.open.has("add more");
  // New fields with each draft: what was typed has not been drawn, and would stay in them.
  const fields = repeat([draft], (each) => each, () => details(draft, "add", {}));
  const send = ({ target }) => draft.values.title?.trim() && app.add(() => valuesOf(draft.values, target));
  return html`<form id="add" class="add box" data-draft="add" novalidate @input=${typing(draft)} @submit=${submitting(send)}>
    <div class="joined">
      <input name="title" aria-label="A new task" placeholder="What is to be done?" autocomplete="off" .value=${live(draft.values.title ?? "")}
        aria-invalid=${invalid(draft, "title")} aria-describedby=${describedBy(draft, "title", "add-title")}>
      <button type="button" class="quiet" aria-expanded=${more ? "true" : "false"} aria-controls="add-details" aria-label="Date, priority and tags" @click=${() => app.toggle("add more", null)}>${icon("more")}</button>
      <button class="main" aria-label="Add" ?disabled=${draft.busy}>${icon("add")}<span class="wide">Add</span></button>
    </div>
    ${wrong(draft, "title", "add-title")}
    <div id="add-details" ?hidden=${!more}>${fields}</div>
    ${failed(draft, ["title", "due_at", "priority", "tags"])}
  </form>`;
}

/** The members besides the title; of a draft, or of the task it began with. */
function details(draft, form, task, notes = false) {
  const id = (name) => `${form}-${name}`;
  const value = (name, before) => draft.values[name] ?? before;
  return html`<div class="details">
    ${notes ? html`<div class="field whole"><label for=${id("description")}>Notes</label>
      <textarea id=${id("description")} name="description" rows="3" .value=${value("description", task.description ?? "")}
        aria-invalid=${invalid(draft, "description")} aria-describedby=${describedBy(draft, "description", id("description"))}></textarea>
      ${wrong(draft, "description", id("description"))}</div>` : nothing}
    <div class="field"><label for=${id("due_at")}>Due</label>
      <input id=${id("due_at")} name="due_at" type="datetime-local" .value=${value("due_at", toLocal(task.due_at))}
        aria-invalid=${invalid(draft, "due_at")} aria-describedby=${describedBy(draft, "due_at", id("due_at"))}>
      ${wrong(draft, "due_at", id("due_at"))}</div>
    <div class="field"><label for=${id("priority")}>Priority</label>
      <select id=${id("priority")} name="priority">
        ${PRIORITIES.map((each) => html`<option value=${each} .selected=${live(each === value("priority", task.priority ?? "none"))}>${each}</option>`)}
      </select>${wrong(draft, "priority", id("priority"))}</div>
    <div class="field"><label for=${id("tags")}>Tags <span class="soft">(with commas)</span></label>
      <input id=${id("tags")} name="tags" autocomplete="off" .value=${value("tags", (task.tags ?? []).join(", "))}
        aria-invalid=${invalid(draft, "tags")} aria-describedby=${describedBy(draft, "tags", id("tags"))}>
      ${wrong(draft, "tags", id("tags"))}</div>
  </div>`;
}

/** What was typed into a form, as the service writes it. */
function valuesOf({ title, description, due_at, priority, tags }, form) {
  // Half a date has no value, and would be taken for none.
  if (form.elements.due_at.validity.badInput) {
    throw new Refused(422, { errors: [{ pointer: "/due_at", detail: "must have both a date and a time" }] }, new Headers());
  }
  return {
    ...(title !== undefined && { title }),
    ...(description !== undefined && { description }),
    ...(due_at !== undefined && { due_at: fromLocal(due_at) }),
    ...(priority !== undefined && { priority }),
    ...(tags !== undefined && { tags: tagsOf(tags) }),
  };
}

const FILTERS = [["", "All"], ["false", "Open"], ["true", "Done"]];
let searching;

function tools(app, page) {
  const { query } = app.view;
  const offered = new Set(page.form("search").properties.map((field) => field.name));
  const search = (event) => {
    clearTimeout(searching);
    const q = event.target.value;
    searching = setTimeout(() => app.ask({ q }), 250);
  };
  return html`<div class="tools">
    ${offered.has("done") ? html`<fieldset class="filter"><legend class="unseen">Show</legend>
      ${FILTERS.map(([done, name]) => html`<label><input type="radio" name="done" .checked=${live(query.done === done)} @change=${() => app.ask({ done })}><span>${name}</span></label>`)}
    </fieldset>` : nothing}
    ${offered.has("q") ? html`<label class="search">${icon("search")}<span class="unseen">Search these tasks</span>
      <input type="search" placeholder="Search" .value=${live(query.q)} @input=${(event) => { query.q = event.target.value; search(event); }}></label>` : nothing}
    ${offered.has("sort") ? html`<label class="sort"><span class="unseen">Order</span>
      <select @change=${(event) => app.ask({ sort: event.target.value })}>
        ${Object.entries(SORTS).map(([sort, name]) => html`<option value=${sort} .selected=${live(sort === query.sort)}>${name}</option>`)}
      </select></label>` : nothing}
  </div>`;
}

function row(app, task) {
  const { document: is, uri } = task;
  // While all goes well, it is sent before one could read that it was not.
  const state = task.state === "waiting" && app.connection === "online" && !app.slow ? null : task.state;
  const toggling = is.done ? "reopen" : "complete";
  const busy = app.busy.has(uri);
  const edit = () => app.toggle(`edit ${uri}`, `[data-draft="${CSS.escape(`edit ${uri}`)}"] input`);
  return html`<li class="task ${is.done ? "done" : ""} ${state ? "pending" : ""}" data-uri=${uri}>
    ${app.can(task, toggling)
      ? html`<button class="tick" role="checkbox" aria-checked=${is.done ? "true" : "false"} aria-label="Done: ${is.title}" aria-disabled=${busy ? "true" : "false"}
          @click=${() => app.attempt(uri, () => app.act(task, toggling))}>${icon("check")}</button>`
      : html`<span class="tick" role="img" aria-label=${is.done ? "Done" : "Open"}>${is.done ? icon("check") : nothing}</span>`}
    <div class="what">
      <p class="title"><bdi>${is.title}</bdi></p>
      ${is.description ? html`<p class="notes soft"><bdi>${is.description}</bdi></p>` : nothing}
      ${chips(is, state)}
    </div>
    <div class="doing">
      ${app.can(task, "edit") ? html`<button class="quiet edit" aria-label="Edit: ${is.title}" @click=${edit}>${icon("edit")}</button>` : nothing}
      ${app.can(task, "delete") ? html`<button class="quiet delete" aria-label="Delete: ${is.title}" aria-disabled=${busy ? "true" : "false"}
        @click=${(event) => remove(app, task, event)}>${icon("bin")}</button>` : nothing}
    </div>
  </li>`;
}

function remove(app, task, event) {
  const item = event.target.closest("li");
  const beside = item.nextElementSibling ?? item.previousElementSibling;
  app.focus = beside ? `[data-uri="${CSS.escape(beside.dataset.uri ?? "")}"] button` : "#add input, #list-title";
  app.attempt(task.uri, async () => {
    await app.act(task, "delete");
    const undo = { name: "Undo", work: () => app.restore(task) };
    app.say(`Deleted: ${task.document.title}`, { action: undo });
  });
}

function chips(is, state) {
  const when = is.due_at ? due(is) : null;
  if (!when && (!is.priority || is.priority === "none") && !is.tags?.length && !state) return nothing;
  return html`<p class="chips">
    ${state === "waiting" ? html`<span class="chip waits">${icon("cloud")}not sent yet</span>` : nothing}
    ${state === "conflict" ? html`<span class="chip over">${icon("cloud")}in conflict</span>` : nothing}
    ${state === "failed" ? html`<span class="chip over">${icon("cloud")}refused</span>` : nothing}
    ${when ? html`<span class="chip ${when.over ? "over" : when.soon ? "soon" : ""}">${icon("clock")}<span><span class="unseen">${when.over ? "Overdue: " : "Due: "}</span>${when.text}</span></span>` : nothing}
    ${is.priority && is.priority !== "none" ? html`<span class="chip ${is.priority}">${icon("flag")}<span><span class="unseen">Priority: </span>${is.priority}</span></span>` : nothing}
    ${(is.tags ?? []).map((tag) => html`<span class="chip">${icon("tag")}<bdi>${tag}</bdi></span>`)}
  </p>`;
}

function editing(app, task) {
  const { document: is, uri } = task;
  const name = `edit ${uri}`;
  const draft = app.draft(name);
  draft.task ??= task; // what the edit is of: a change from elsewhere does not slip in under it
  const button = `[data-uri="${CSS.escape(uri)}"] .edit`;
  const close = () => app.cancel(name, button);
  const send = async ({ target }) => {
    if (!await app.send(name, () => app.act(draft.task, "edit", valuesOf(draft.values, target)))) return;
    app.focus ??= button;
    app.changed();
  };
  // While a word is being composed, Escape is about that word.
  const key = (event) => event.key === "Escape" && !event.isComposing && close();
  const id = `edit-${uri}`.replace(/[^a-z0-9]+/gi, "-");
  return html`<li class="task editing" data-uri=${uri}>
    <form class="grow" data-draft=${name} aria-label="Edit: ${is.title}" novalidate @input=${typing(draft)} @keydown=${key} @submit=${submitting(send)}>
      <div class="field"><label for="${id}-title">Title</label>
        <input id="${id}-title" name="title" autocomplete="off" .value=${draft.values.title ?? draft.task.document.title}
          aria-invalid=${invalid(draft, "title")} aria-describedby=${describedBy(draft, "title", `${id}-title`)}>
        ${wrong(draft, "title", `${id}-title`)}</div>
      ${details(draft, id, draft.task.document, true)}
      ${failed(draft, ["title", "description", "due_at", "priority", "tags"])}
      <div class="row"><button class="main" ?disabled=${draft.busy}>Save</button><button type="button" @click=${close}>Cancel</button></div>
    </form>
  </li>`;
}

function foot(app, shown) {
  const { view } = app;
  const { q, done } = view.query;
  const all = view.page?.form("complete-all");
  const clear = view.page?.form("clear-completed");
  const away = app.connection !== "online";
  const open = view.list ? app.list?.get("open_count") : app.lists.items.some((item) => item.get("open_count"));
  const completed = view.list ? app.list?.get("done_count") : app.lists.items.some((item) => item.get("done_count"));
  return html`
    ${view.error && (!view.page || !shown.length)
      ? html`<p class="wrong box" role="alert">${view.page ? nothing : `This device has not seen ${shown.length ? "the other" : "these"} tasks yet. `}${explain(view.error)}</p>`
      : nothing}
    ${!shown.length && !view.loading && !view.error
      ? html`<p class="nothing soft">${q ? "Nothing matches." : done === "true" ? "Nothing is done yet." : done === "false" ? "All done. Well done!" : !app.allLists.length && app.lists.page?.form("create") ? "Make your first list to begin." : "Nothing here yet."}</p>`
      : nothing}
    ${view.next ? html`<div class="to-come"><button class="quiet" ?disabled=${view.loading} @click=${() => app.loadMore()}>${view.loading ? "Loading …" : "Load more"}</button></div>`
      : view.loading && !shown.length ? html`<p class="nothing soft">Loading …</p>` : nothing}
    ${(all && open) || (clear && completed)
      ? html`<footer class="row">
          ${all && open ? html`<button class="soft-button" ?disabled=${away || app.busy.has("complete-all")} @click=${() => app.bulk("complete-all")}>${icon("check")}Complete all</button>` : nothing}
          ${clear && completed ? html`<button class="soft-button" ?disabled=${away || app.busy.has("clear-completed")} @click=${() => app.bulk("clear-completed")}>${icon("bin")}Clear completed</button>` : nothing}
          ${away ? html`<p class="soft small">All at once: only online.</p>` : nothing}
        </footer>`
      : nothing}`;
}
