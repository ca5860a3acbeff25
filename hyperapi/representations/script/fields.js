/** Fields of forms, by what HAL-FORMS says about them. */

import { ask } from "./http.js";
import { h, newId, words } from "./dom.js";
import { linkOf, nameOf } from "./values.js";

const AN_INSTANT = "2030-01-31T18:00:00Z";
const AN_ID = "00000000-0000-4000-8000-000000000000";
const MANY = "100";
/** The regular expressions of words between spaces, and of sort orders. */
const WORDS = /^\^\(([\w:|-]+)\)\( \(\1\)\)\*\$$/;
const SORTS = /-\?\(([\w|]+)\)\(,-\?\(\1\)\)\*\$$/;
/** The name of a lifetime in seconds (RFC 6749 §5.1). */
const LIFE = /expires_in$/;
/** @type {[number, string][]} */
const LIVES = [
  [3600, "1 hour"],
  [86_400, "1 day"],
  [604_800, "1 week"],
  [2_592_000, "30 days"],
  [7_776_000, "90 days"],
  [31_536_000, "1 year"],
];

/**
 * A field on the page.
 *
 * @typedef {object} Field
 * @property {any} property as HAL-FORMS describes it
 * @property {Element} element
 * @property {() => string | string[]} read what is typed or chosen; empty for nothing
 * @property {(value: string | string[]) => void} write
 * @property {string | string[]} initial
 * @property {(text: string) => void} complain show an error beside the field; empty for none
 * @property {() => void} focus
 */

/**
 * Draw the field of a property.
 *
 * @param {any} property
 * @param {string | string[]} initial
 * @param {{document: any, shelves: string[]}} place the resource of the form, and the URIs of
 *   collections whose items a field for a URI may name
 * @returns {Field}
 */
export function fieldOf(property, initial, place) {
  const control = controlOf(property, initial, place);
  const id = newId();
  const error = h("p", { class: "error", id: `${id}e` });
  const focused = control.inputs[0];
  for (const input of control.inputs) input.setAttribute("aria-describedby", error.id);
  if (!control.group) focused.id = id;
  const title = [h("span", { class: "label" }, label(property)), property.required ? h("i", {}, " (required)") : null];
  const element = control.group
    ? h("fieldset", {}, h("legend", {}, title), control.node, error)
    : h("p", {}, h("label", { for: id }, title), control.node, error);
  if (property.required && !control.group) focused.setAttribute("aria-required", "true");
  return {
    property,
    element,
    read: control.read,
    write: control.write,
    initial: control.read(),
    complain(text) {
      error.textContent = text;
      for (const input of control.inputs) {
        if (text) input.setAttribute("aria-invalid", "true");
        else input.removeAttribute("aria-invalid");
      }
    },
    focus: () => focused.focus(),
  };
}

const label = ({ name, prompt }) => (prompt && prompt !== name ? withoutUnit(name, prompt) : words(name));

/** The prompt of a lifetime, which is not typed as seconds. */
const withoutUnit = (name, prompt) =>
  LIFE.test(name)
    ? prompt.replace(" in seconds", "").replace(/\d{3,}/g, (/** @type {string} */ seconds) => lasting(Number(seconds)))
    : prompt;

function controlOf(property, initial, place) {
  const { regex = "", options, type, multiple } = property;
  if (options?.inline) return choice(property, options.inline, initial);
  if (WORDS.test(regex)) return checkBoxes(regex.match(WORDS)[1].split("|"), initial);
  if (SORTS.test(regex)) return choice(property, sorts(regex.match(SORTS)[1].split("|")), initial);
  if (multiple) return lines(initial);
  if (type === "number" && LIFE.test(property.name)) return life(property, initial);
  if (type === "url" && regex.includes("[0-9a-fA-F]")) return resourceUri(property, initial, place);
  if (isInstant(regex)) return instant(initial);
  return plain(property, initial);
}

function matches(regex, text) {
  try {
    return new RegExp(regex).test(text);
  } catch {
    return false;
  }
}

const isInstant = (regex) => regex !== "" && matches(regex, AN_INSTANT) && !matches(regex, "a");

/** A control with one input. */
const single = (input, read = () => input.value, write = (value) => (input.value = value)) => ({
  node: input,
  inputs: [input],
  group: false,
  read,
  write,
});

function plain({ type, name, required, min, max, minLength, maxLength }, initial) {
  const input =
    type === "textarea"
      ? h("textarea", { dir: "auto", maxlength: maxLength })
      : h("input", {
          type: type ?? "text",
          min,
          max,
          step: type === "number" ? "any" : null,
          maxlength: maxLength,
          dir: type === "text" ? "auto" : null,
          autocomplete: completion(name, type),
          autocapitalize: type === "text" ? null : "none",
          spellcheck: type === "text" ? null : "false",
        });
  input.value = initial;
  return single(input);
}

/** What a browser's password manager needs to know. */
function completion(name, type) {
  if (type === "password") return name.startsWith("current") ? "current-password" : null;
  return name === "username" ? "username" : type === "email" ? "email" : "off";
}

function choice({ required }, choices, initial) {
  const empty = required && initial ? [] : [{ value: "", prompt: "–" }];
  const select = h(
    "select",
    {},
    [...empty, ...choices].map(({ value, prompt }) => h("option", { value }, said(value, prompt))),
  );
  select.value = initial;
  return single(select);
}

const said = (value, prompt) => ({ true: "yes", false: "no" })[value] ?? prompt ?? value;

const sorts = (names) =>
  names.flatMap((name) => [
    { value: name, prompt: words(name) },
    { value: `-${name}`, prompt: `${words(name)}, descending` },
  ]);

function checkBoxes(names, initial) {
  const chosen = new Set(String(initial).split(" "));
  const boxes = names.map((name) => h("input", { type: "checkbox", value: name, checked: chosen.has(name) }));
  return {
    node: h("div", {}, boxes.map((box) => h("label", { class: "choice" }, box, h("span", {}, box.value)))),
    inputs: boxes,
    group: true,
    read: () => boxes.filter((box) => box.checked).map((box) => box.value).join(" "),
    write: (value) => boxes.forEach((box) => (box.checked = value.split(" ").includes(box.value))),
  };
}

/** Several values, one a line. */
function lines(initial) {
  const area = h("textarea", { dir: "auto", placeholder: "One on each line" });
  const read = () => area.value.split("\n").map((line) => line.trim()).filter(Boolean);
  const write = (values) => (area.value = [values].flat().join("\n"));
  write(initial);
  return single(area, read, write);
}

/** A choice with a further one that is typed. */
function choiceOrTyped(choices, typed, initial) {
  const OTHER = "other";
  const known = new Set(["", ...choices.map(({ value }) => value)]);
  const select = h(
    "select",
    { onchange: () => showTyped() },
    [...choices, { value: OTHER, prompt: "Another one …" }].map(({ value, prompt }) =>
      h("option", { value }, prompt),
    ),
  );
  const showTyped = () => (typed.hidden = select.value !== OTHER);
  const write = (value) => {
    select.value = known.has(value) ? value : OTHER;
    typed.value = value;
    showTyped();
  };
  write(initial);
  return {
    node: h("span", {}, select, typed),
    inputs: [select, typed],
    group: false,
    read: () => (select.value === OTHER ? typed.value : select.value),
    write,
  };
}

/**
 * A choice of lifetimes. The service takes seconds.
 *
 * @param {{min?: number, max?: number}} property
 * @param {any} initial
 */
function life({ min, max = Infinity }, initial) {
  const some = LIVES.filter(([seconds]) => seconds <= max).map(([seconds, prompt]) => ({
    value: String(seconds),
    prompt,
  }));
  const most = Number.isFinite(max) ? [{ value: String(max), prompt: `As long as possible (${lasting(max)})` }] : [];
  const typed = h("input", { type: "number", min, max, "aria-label": "Seconds" });
  return choiceOrTyped([{ value: "", prompt: "As the service decides" }, ...some, ...most], typed, initial);
}

function lasting(seconds) {
  const [size, unit] = seconds >= 172_800 ? [86_400, "days"] : seconds >= 7200 ? [3600, "hours"] : [60, "minutes"];
  return `${Math.floor(seconds / size)} ${unit}`;
}

/** A resource, chosen by its name from the collections around, or by its URI. */
function resourceUri({ regex, required }, initial, place) {
  const typed = h("input", { type: "url", "aria-label": "URI", autocomplete: "off" });
  const control = choiceOrTyped([{ value: "", prompt: required ? "Choose …" : "None" }], typed, initial);
  const [select, other] = [control.inputs[0], control.inputs[0].lastChild];
  itemsFor(regex, place).then((items) => {
    const now = control.read();
    for (const item of items) {
      const value = linkOf(item, "self");
      other.before(h("option", { value }, nameOf(item)));
    }
    if (items.some((item) => linkOf(item, "self") === now)) {
      select.value = now;
      typed.hidden = true;
    }
  });
  return control;
}

/** The items of the first collection with some whose URIs a regular expression matches. */
async function itemsFor(regex, { document, shelves }) {
  const fitting = (page) => (page?._embedded?.item ?? []).filter((item) => matches(regex, linkOf(item, "self")));
  const here = fitting(document);
  if (here.length) return here;
  for (const uri of shelves.filter((each) => matches(regex, `${each}/${AN_ID}`) || !shelfOfIds(each))) {
    const page = new URL(uri);
    page.searchParams.set("limit", MANY);
    const reply = await ask(String(page)).catch(() => null);
    const items = reply?.ok ? fitting(reply.document) : [];
    if (items.length) return items;
  }
  return [];
}

/** Whether a collection's own URI could be the beginning of those of its items. */
const shelfOfIds = (uri) => !/[0-9a-f]{8}-[0-9a-f]{4}/.test(uri);

/** An instant, in the time zone of the reader. */
function instant(initial) {
  const input = h("input", { type: "datetime-local", step: 1 });
  const write = (value) => (input.value = value ? local(value) : "");
  write(initial);
  const [first, shown] = [initial, input.value];
  const read = () => {
    if (input.value === shown) return first;
    return input.value ? new Date(input.value).toISOString().replace(".000Z", "Z") : "";
  };
  return single(input, read, write);
}

function local(text) {
  const moment = new Date(text);
  const shifted = new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000);
  return Number.isNaN(shifted.getTime()) ? "" : shifted.toISOString().slice(0, 19);
}
