/** Values of members, as people read them. */

import { h, words } from "./dom.js";
import { isOurs } from "./start.js";

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
const LOCAL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** Members that HAL keeps for itself. */
const RESERVED = new Set(["_links", "_embedded", "_templates"]);

/** The members of a document, without those of HAL. @returns {[string, any][]} */
export const membersOf = (document) => Object.entries(document).filter(([name]) => !RESERVED.has(name));

export const linkOf = (document, relation) => document?._links?.[relation]?.href ?? null;

/** Whether a member is a URI or an instant: its name says so, and a text in another one stays text. */
const isUri = (name, value) => /(^|_)ur[il]$/.test(name) && /^https?:\/\//.test(value);
const isInstant = (name, value) => /_at$/.test(name) && INSTANT.test(value);

/** The name that people call a resource by: its first text, or else the last word of its URI. */
export function nameOf(document) {
  if (document._embedded) return nameOfUri(linkOf(document, "self"));
  const texts = membersOf(document).filter(([, value]) => typeof value === "string");
  const isPlain = ([name, value]) => !isUri(name, value) && !isInstant(name, value);
  const [name, text] = texts.find(isPlain) ?? texts[0] ?? [];
  return name ? text.trim() || `(no ${words(name).toLowerCase()})` : nameOfUri(linkOf(document, "self"));
}

function nameOfUri(uri) {
  const parts = uri ? new URL(uri).pathname.split("/") : [];
  const word = parts.findLast((part) => /^[a-z][a-z-]*$/.test(part));
  return word ? words(word) : "Result";
}

/** A value as a node. */
export function valueOf(name, value) {
  if (value === null) return h("span", { class: "soft" }, "none");
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return listOf(name, value);
  if (typeof value === "object") return objectOf(value);
  if (isUri(name, String(value))) return anchor(value);
  if (isInstant(name, String(value))) {
    return h("time", { datetime: value, title: value }, LOCAL.format(new Date(value)));
  }
  return h("bdi", {}, String(value));
}

function listOf(name, values) {
  if (!values.length) return h("span", { class: "soft" }, "none");
  if (values.some((each) => each && typeof each === "object")) {
    return values.map((each) => h("div", { class: "nested" }, valueOf(name, each)));
  }
  return values.map((each) => [h("bdi", { class: "tag" }, String(each)), " "]);
}

function objectOf(document) {
  const self = linkOf(document, "self");
  if (self) return anchor(self, nameOf(document));
  const members = membersOf(document).filter(([, value]) => isTold(value));
  return members.length ? brief(members) : h("span", { class: "soft" }, "none");
}

/** Members in a few lines. */
export function brief(members) {
  return h(
    "dl",
    { class: "brief" },
    members.map(([name, value]) =>
      h("div", {}, h("dt", {}, words(name)), h("dd", { dir: "auto" }, valueOf(name, value))),
    ),
  );
}

/** Members in a table. */
export function table(members) {
  return h(
    "dl",
    { class: "members" },
    members.map(([name, value]) => [
      h("dt", {}, words(name)),
      h("dd", { dir: "auto" }, valueOf(name, value)),
    ]),
  );
}

/** A link. Where it leads out of the service, nothing of this page is told there. */
export function anchor(uri, text = uri) {
  const away = isOurs(uri) ? {} : { rel: "noopener noreferrer nofollow" };
  return h("a", { href: uri, ...away }, h("bdi", {}, text));
}

/** Whether a value is worth a place in a short description. */
export const isTold = (value) =>
  value !== null && value !== "" && !(Array.isArray(value) && !value.length);
