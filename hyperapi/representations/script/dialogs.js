/** Dialogs: questions, conflicts, and tokens that are shown once. */

import { h, newId, words } from "./dom.js";
import { table, valueOf } from "./values.js";

/** Open a dialog until a button is pressed, and return the value of the button. */
function ask(title, content, buttons) {
  return new Promise((resolve) => {
    const id = newId();
    const dialog = h(
      "dialog",
      { "aria-labelledby": id, onclose: () => (dialog.remove(), resolve(dialog.returnValue)) },
      h("h2", { id, tabindex: -1, autofocus: true }, title),
      ...content,
      h(
        "div",
        { class: "buttons" },
        buttons.map(([value, text, kind]) => h("button", { class: kind, type: "button", onclick: () => dialog.close(value) }, text)),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Ask whether to do what cannot be taken back easily. */
export const confirmed = async (title, name) =>
  (await ask(`${title}?`, [h("p", {}, h("bdi", {}, name))], [["yes", title, "danger"], ["", "Cancel"]])) === "yes";

/**
 * Show both versions of a resource that was changed meanwhile.
 *
 * @param {any} current as the service has it now; null when it does not say
 * @param {[string, any][]} mine the members that were to be sent; none for a deletion
 * @param {Map<string, string>} labels of the members
 * @returns {Promise<string>} "mine", "theirs", or "" to go on editing
 */
export function resolved(title, current, mine, labels) {
  const why = h("p", {}, "It was changed since you opened it. Nothing was stored.");
  const label = (name) => h("th", { scope: "row" }, labels.get(name) ?? words(name));
  const rows = mine.map(([name, value]) =>
    h("tr", {}, label(name), h("td", { dir: "auto" }, valueOf(name, value)), h("td", { dir: "auto" }, valueOf(name, current?.[name] ?? null))),
  );
  const compared = rows.length
    ? h("table", {}, h("thead", {}, h("tr", {}, ["Field", "Yours", "Now"].map((text) => h("th", { scope: "col" }, text)))), h("tbody", {}, rows))
    : table(Object.entries(current ?? {}).filter(([name]) => !name.startsWith("_")));
  return ask("Somebody else was faster", [why, compared], [
    ["mine", rows.length ? "Store mine" : title, "primary"],
    ["theirs", "Keep what is there now"],
    ["", "Go back"],
  ]);
}

/** Show a new token, once. */
export async function showToken(made) {
  const input = h("input", { readonly: true, value: made.access_token, "aria-label": "Access token", onfocus: () => input.select() });
  const said = h("span", { role: "status" });
  const copy = async () => {
    input.select();
    try {
      await navigator.clipboard.writeText(input.value);
    } catch {
      document.execCommand("copy"); // pages without TLS have no clipboard
    }
    said.textContent = "Copied.";
  };
  const { access_token: _, refresh_token: __, ...others } = made;
  await ask(
    "A new token",
    [
      h("p", {}, "Copy it now. The service shows it this once."),
      input,
      h("div", { class: "buttons" }, h("button", { type: "button", class: "primary", onclick: copy }, "Copy"), said),
      table(Object.entries(others).filter(([name, value]) => !name.startsWith("_") && value !== "")),
    ],
    [["", "Done"]],
  );
}
