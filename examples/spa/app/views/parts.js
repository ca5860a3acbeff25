/** Small parts that every view is made of. */

import { html, nothing, svg } from "../../vendor/lit-html/lit-html.js";

const PATHS = {
  add: "M12 5v14M5 12h14",
  back: "m15 5-7 7 7 7",
  bin: "M4 7h16M10 4h4M6 7l1 13h10l1-13M10 11v5M14 11v5",
  check: "m5 12.5 4.5 4.5L19 7.5",
  clock: "M12 7v5l3 2M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z",
  close: "M6 6l12 12M18 6 6 18",
  cloud: "M3 3l18 18M8 8a6 6 0 0 0-1 11h11M12 6a6 6 0 0 1 6 5 4 4 0 0 1 3 6",
  edit: "M4 20h4L19 9l-4-4L4 16v4M13 7l4 4",
  flag: "M6 21V4h12l-3 4 3 4H6",
  more: "M4 7h16M4 12h16M4 17h10",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM4 21c1-4 4-6 8-6s7 2 8 6",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13ZM15.5 15.5 20 20",
  tag: "M4 4h8l8 8-8 8-8-8V4ZM8 8h.01",
};

/** A drawing beside words, or instead of them where its button has a label. */
export const icon = (name) =>
  html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">${svg`<path d=${PATHS[name]}></path>`}</svg>`;

/** What went wrong with one field, which the field points at. */
export const wrong = (draft, name, id) =>
  draft.errors.has(name) ? html`<p class="wrong" id="${id}-wrong">${sentence(inWords(name, draft.errors.get(name)))}</p>` : nothing;

/** What went wrong with all of it, or with what is not among the fields that are `shown`. */
export const failed = (draft, shown) =>
  draft.error && !shown.some((name) => draft.errors.has(name)) ? html`<p class="wrong box" role="alert">${draft.error}</p>` : nothing;

/** A pattern is nothing to show to people. */
const WORDS = { username: "takes a–z, 0–9 and _ - . after a first letter or digit" };
const inWords = (name, text) =>
  /^must match /.test(text) ? WORDS[name] ?? "is not written as it has to be" : text;

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

/** The attributes of a field that may be wrong. */
export const invalid = (draft, name) => (draft.errors.has(name) ? "true" : "false");
export const describedBy = (draft, name, id) => (draft.errors.has(name) ? `${id}-wrong` : nothing);

/** Take what is typed into a draft, as it is typed. */
export const typing = (draft) => (event) => {
  const { name, type, checked, value, validity } = event.target;
  // Half a date has no value yet, and would be drawn as none.
  if (name && !validity.badInput) draft.values[name] = type === "checkbox" ? checked : value;
};

/** Only send what is new; the page is not left. */
export const submitting = (work) => (event) => {
  event.preventDefault();
  work(event);
};
