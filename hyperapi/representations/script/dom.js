/** Elements, made without markup: text stays text. */

/**
 * Make an element.
 *
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, any>} attributes functions are listeners; false, null and undefined are
 *   left out
 * @param {...any} children elements and texts; null, undefined and false are left out
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

let last = 0;

/** A new id for an element. */
export const newId = () => `h${++last}`;

/** Relations of IANA's registry whose names are no words. */
const KNOWN = new Map([
  ["service-doc", "Documentation"],
  ["service-desc", "OpenAPI description"],
]);

/** A name of the API as words: "due_at" as "Due at". */
export function words(name) {
  if (KNOWN.has(name)) return KNOWN.get(name);
  const text = name.replace(/[_-]+/g, " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}
