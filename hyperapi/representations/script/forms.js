/** Forms: drawn from a template of HAL-FORMS, and read into a request. */

import { h } from "./dom.js";
import { fieldOf } from "./fields.js";
import { takesRefreshToken } from "./http.js";

const FORM = "application/x-www-form-urlencoded";
/** With required fields and at least so many others, the others are folded. */
const MANY_OTHERS = 4;

/** The forms of a resource that are for people, with their names. @returns {[string, any][]} */
export const templatesOf = (document) =>
  Object.entries(document?._templates ?? {}).filter(([, form]) => !takesRefreshToken(form));

/** The fields that a person fills in. */
export const visible = (template) =>
  template.properties.filter((each) => each.type !== "hidden" && !each.readOnly);

/** Whether a form only asks for a part of a collection. */
export const isSearch = (template) => template.method.toUpperCase() === "GET";

/** Whether a form deletes something. */
export const deletes = (template) => template.method.toUpperCase() === "DELETE";

/**
 * A form on the page.
 *
 * @param {any} template
 * @param {{document: any, shelves: string[]}} place
 * @param {(drawn: Drawn) => Promise<void>} submit
 */
export class Drawn {
  constructor(template, place, submit) {
    this.template = template;
    const shown = visible(template);
    this.fields = shown.map((each) => fieldOf(each, initialOf(each, template, place.document), place));
    this.summary = h("p", { class: "error", tabindex: -1 });
    this.button = h("button", { class: deletes(template) ? "danger" : "primary" }, template.title ?? "Send");
    this.element = h(
      "form",
      { novalidate: true, class: isSearch(template) ? "search" : null, "aria-label": template.title, onsubmit: (event) => this.#send(event, submit) },
      this.#arranged(),
      this.summary,
      h("div", { class: "buttons" }, this.button),
    );
  }

  #arranged() {
    const required = this.fields.filter((each) => each.property.required);
    const others = this.fields.filter((each) => !each.property.required);
    const signsIn = required.some((each) => each.property.type === "password") && others.length > 1;
    if (!required.length || (others.length < MANY_OTHERS && !signsIn)) {
      return this.fields.map((each) => each.element);
    }
    this.folded = h("details", {}, h("summary", {}, "More"), h("div", { class: "fields" }, others.map((each) => each.element)));
    return [...required.map((each) => each.element), this.folded];
  }

  async #send(event, submit) {
    event.preventDefault();
    if (this.button.disabled) return;
    this.button.disabled = true;
    this.complain(null);
    try {
      await submit(this);
    } finally {
      this.button.disabled = false;
    }
  }

  focus() {
    (this.fields.find((each) => each.property.required) ?? this.fields[0])?.focus();
  }

  /** Show a problem beside the fields that it names; null for none. */
  complain(problem) {
    const errors = new Map();
    for (const { parameter, pointer, detail } of problem?.errors ?? []) {
      const name = parameter ?? String(pointer ?? "").split("/")[1] ?? "";
      errors.set(name, [...(errors.get(name) ?? []), detail]);
    }
    let first = null;
    for (const field of this.fields) {
      const text = errors.get(field.property.name)?.join("; ") ?? "";
      errors.delete(field.property.name);
      field.complain(text && `This field ${text}.`);
      if (text) first ??= field;
    }
    const others = [...errors].map(([name, texts]) => `${name}: ${texts.join("; ")}`);
    const said = problem ? [problem.title, problem.detail, ...others].filter(Boolean).join(". ") : "";
    this.summary.textContent = said.replaceAll("..", ".");
    if (first) {
      if (this.folded?.contains(first.element)) this.folded.open = true;
      first.focus();
    } else if (problem) this.summary.focus();
  }

  /** The fields that differ from what they were; all where none does. */
  get changed() {
    const changed = this.fields.filter((each) => String(each.read()) !== String(each.initial));
    return changed.length ? changed : this.fields;
  }

  /** What the form sends: the members and their values. @returns {[string, any][]} */
  get values() {
    const patches = this.template.method.toUpperCase() === "PATCH";
    const sent = patches
      ? this.changed
      : this.fields.filter((each) => each.property.required || each.read().length);
    return [...fixed(this.template), ...sent.map((each) => [each.property.name, each.read()])];
  }
}

/** What a form sends without being asked. @returns {[string, any][]} */
export const fixed = (template) =>
  template.properties
    .filter((each) => each.type === "hidden" && each.value != null)
    .map((each) => [each.name, each.value]);

/** The body of a template with these values. */
export function bodyOf(template, values) {
  if (!values.length && deletes(template)) return undefined;
  if (template.contentType === FORM) {
    const pairs = values.flatMap(([name, value]) => [value].flat().map((each) => [name, each]));
    const none = values.filter(([, value]) => Array.isArray(value) && !value.length).map(([name]) => [name, ""]);
    return String(new URLSearchParams([...pairs, ...none]));
  }
  const kinds = Object.fromEntries(template.properties.map((each) => [each.name, each]));
  return JSON.stringify(Object.fromEntries(values.map(([name, value]) => [name, typed(kinds[name], value)])));
}

/** A value as JSON has it. */
function typed(property, value) {
  if (Array.isArray(value)) return value;
  if (value === "" && !property.required) return null;
  if (property.type === "number" && value !== "" && Number.isFinite(Number(value))) return Number(value);
  const choices = property.options?.inline?.map((each) => each.value) ?? [];
  if (choices.length && choices.every((each) => ["true", "false"].includes(each))) return value === "true";
  return value;
}

/** The URI of a search with these values. */
export function searchUri(template, values) {
  const uri = new URL(template.target);
  uri.search = String(new URLSearchParams(values.flatMap(([name, value]) => [value].flat().map((each) => [name, each]))));
  return String(uri);
}

/** What a field has when it is drawn: of the form, of the resource, or of the page's own query. */
function initialOf(property, template, document) {
  if (property.value != null) return property.value;
  if (isSearch(template)) {
    const asked = new URL(location.href);
    const same = asked.origin + asked.pathname === template.target.split("?")[0];
    const values = same ? asked.searchParams.getAll(property.name) : [];
    return property.multiple ? values : (values[0] ?? "");
  }
  const now = template.method.toUpperCase() === "POST" ? null : document?.[property.name];
  if (property.multiple) return Array.isArray(now) ? now : [];
  return now == null || typeof now === "object" ? "" : String(now);
}
