/** Draws a resource: its members, its items, and where it leads. */

import { h, newId, words } from "./dom.js";
import { relation } from "./start.js";
import { anchor, brief, isTold, linkOf, membersOf, nameOf, table } from "./values.js";

const UPWARDS = ["up", "collection"];
const PAGING = ["first", "prev", "next", "last"];
const SENTENCE = /[a-z]\.( |$)/;

/** Links with a target, by relation. @returns {[string, any][]} */
const linksOf = (document) =>
  Object.entries(document._links ?? {})
    .flatMap(([name, found]) => [found].flat().map((link) => /** @type {[string, any]} */ ([name, link])))
    .filter(([name]) => name !== "self");

/** The links to what is above a resource. */
export function upwards(document) {
  const found = new Map(
    linksOf(document).filter(([name]) => UPWARDS.includes(name)).map(([name, { href }]) => [href, name]),
  );
  return row("Upwards", [...found].map(([href, name]) => [name, href]));
}

/** The links to other pages; nothing where there is one page. */
export function pages(document) {
  const found = linksOf(document).filter(([name]) => PAGING.includes(name));
  return found.some(([name]) => ["prev", "next"].includes(name))
    ? row("Pages", found.map(([name, { href }]) => [name, href]))
    : null;
}

function row(label, links) {
  if (!links.length) return null;
  const items = links.map(([name, href]) => h("li", {}, h("a", { rel: name, href }, words(name))));
  return h("nav", { "aria-label": label }, h("ul", { class: "row" }, items));
}

/** The links that are neither upwards nor to pages, with what they mean. */
export function others(document, meaning) {
  const found = linksOf(document).filter(([name]) => ![...UPWARDS, ...PAGING].includes(name));
  if (!found.length) return null;
  const id = newId();
  return h(
    "section",
    { "aria-labelledby": id },
    h("h2", { id }, "Links"),
    h("ul", {}, found.map(([name, link]) => h("li", {}, pointer(name, link), " ", meaningOf(name, meaning)))),
  );
}

const pointer = (name, { href, templated, title }) =>
  templated ? [h("b", {}, words(name)), " ", h("code", {}, href)] : h("a", { rel: name, href }, title ?? words(name));

function meaningOf(name, meaning) {
  const node = h("span", { class: "soft" });
  meaning(relation(name)).then((text) => node.replaceChildren(...withCode(text)));
  return node;
}

/** Text of the service with code between backticks. */
export const withCode = (text) =>
  text.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));

/** The members of a resource. Those that repeat a link or the name are left out. */
export function members(document) {
  const targets = new Set(linksOf(document).map(([, { href }]) => href));
  const name = nameOf(document);
  const [entries, own] = parted(membersOf(document), ([, value]) => isFeed(value));
  const told = own.filter(([, value]) => isTold(value) && value !== name && !targets.has(value));
  const [leads, rest] = parted(told, ([key, value]) => key === "description" && SENTENCE.test(String(value)));
  return [
    leads.map(([, text]) => h("p", { class: "lead", dir: "auto" }, text)),
    rest.length ? table(rest) : null,
    entries.map(([key, values]) => h("section", { "aria-label": words(key) }, values.map(entry))),
  ];
}

function parted(values, holds) {
  return [values.filter(holds), values.filter((each) => !holds(each))];
}

const isFeed = (value) => Array.isArray(value) && value.length > 0 && value.every((each) => each?.uri);

/** An entry of a feed: what happened, and the resource as it is now. */
function entry({ uri, resource, ...told }) {
  return h(
    "article",
    {},
    h("h3", { dir: "auto" }, resource?._links ? anchor(uri, nameOf(resource)) : uri),
    brief(Object.entries(told).filter(([, value]) => isTold(value))),
  );
}

/** The items of a collection; null where there are none to be. */
export function items(document, formsOf) {
  const found = Object.values(document._embedded ?? {}).flat();
  if (!document._embedded) return null;
  if (!found.length) return h("p", { class: "soft" }, "Nothing here.");
  return h("section", { "aria-label": "Items" }, found.map((each) => item(each, formsOf)));
}

function item(document, formsOf) {
  const targets = new Set(linksOf(document).map(([, { href }]) => href));
  const [name, self] = [nameOf(document), linkOf(document, "self")];
  const told = membersOf(document).filter(([, value]) => isTold(value) && value !== name && !targets.has(value));
  return h(
    "article",
    {},
    h("h2", { dir: "auto" }, self ? h("a", { rel: "item", href: self }, name) : name),
    brief(told),
    formsOf(document),
  );
}
