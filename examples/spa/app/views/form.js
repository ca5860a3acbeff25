/** Any form that the server offers, drawn from its own description. */

import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { live } from "../../vendor/lit-html/directives/live.js";
import { describedBy, failed, invalid, submitting, typing, wrong } from "./parts.js";

const COMPLETE = { username: "username", email: "email", current_password: "current-password" };
const WHAT = { scope: "What it may do, as tasks:read or tasks:read tasks:write; empty is all" };

/**
 * @param name of the draft
 * @param only the fields to show, where not all are wanted
 */
export function form(app, name, described, { only, label = described.title, send, cancel, autocomplete = {} }) {
  const draft = app.draft(name);
  const changing = described.properties.some((field) => field.name === "current_password");
  const fields = described.properties.filter((field) => field.type !== "hidden" && (!only || only.includes(field.name)));
  return html`<form data-draft=${name} novalidate @input=${typing(draft)} @submit=${submitting(() => send(filled(fields, draft)))}>
    ${fields.map((field) => row(field, changing && field.name === "password" ? "New password" : null, name, draft, autocomplete[field.name] ?? COMPLETE[field.name] ?? "off"))}
    ${failed(draft, fields.map((field) => field.name))}
    <div class="row">
      <button class=${described.method === "DELETE" ? "danger" : "main"} ?disabled=${draft.busy}>${draft.busy ? "One moment …" : label}</button>
      ${cancel ? html`<button type="button" @click=${cancel}>Cancel</button>` : nothing}
    </div>
  </form>`;
}

function row(field, called, form, draft, autocomplete) {
  const id = `${form} ${field.name}`.replace(/[^a-z0-9]+/gi, "-");
  const value = draft.values[field.name] ?? field.value ?? "";
  return html`<div class="field">
    <label for=${id}>${called ?? WHAT[field.name] ?? field.prompt ?? field.name}${field.required ? nothing : html` <span class="soft">(optional)</span>`}</label>
    ${field.options?.inline
      ? html`<select id=${id} name=${field.name}>
          ${field.options.inline.map((option) => html`<option value=${option.value ?? option} .selected=${live((option.value ?? option) === value)}>${option.prompt ?? option.value ?? option}</option>`)}
        </select>`
      : html`<input id=${id} name=${field.name} type=${field.type ?? "text"} .value=${String(value)}
          autocomplete=${autocomplete} autocapitalize="none" spellcheck="false"
          aria-required=${field.required ? "true" : "false"} aria-invalid=${invalid(draft, field.name)}
          aria-describedby=${describedBy(draft, field.name, id)}>`}
    ${wrong(draft, field.name, id)}
  </div>`;
}

/** What is to be sent: nothing for what was left empty. */
function filled(fields, draft) {
  const values = {};
  for (const field of fields) {
    const value = draft.values[field.name] ?? field.value ?? "";
    if (value !== "" || field.required || field.value !== undefined) {
      values[field.name] = field.type === "number" && value !== "" ? Number(value) : value;
    }
  }
  return values;
}
