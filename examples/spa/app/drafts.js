/** What was typed and not sent, kept for when its tab is loaded again: in session storage, which ends with the tab. */

import { Resource } from "../hyperapi.js";

const NAME = "hyperapi.drafts";
/** What is typed about lists and tasks; never a password or a token. */
const KEPT = /^(add|add more|new list|(edit|rename) .*)$/s;

const kept = (map, of) => [...map].filter(([name]) => KEPT.test(name)).map(of);

export function keepDrafts({ user, drafts, open }) {
  const written = {
    user: user.uri,
    open: kept([...open].map((name) => [name]), ([name]) => name),
    drafts: kept(drafts, ([name, { values, uri, task }]) =>
      [name, { values, uri }, task && { ...task, resource: task.resource.document, etag: task.resource.etag }]),
  };
  try {
    sessionStorage.setItem(NAME, JSON.stringify(written));
  } catch {
    // Storage is disabled, or full: what was typed lasts as long as the page, which asks before it goes.
  }
}

/** Go on with what was typed before, if it was by the same person. */
export function restoreDrafts(app) {
  try {
    const found = JSON.parse(sessionStorage.getItem(NAME));
    if (found?.user !== app.user.uri) return forgetDrafts();
    for (const name of found.open) app.open.add(name);
    for (const [name, { values, uri }, task] of found.drafts) {
      const resource = task && new Resource(task.resource, task.etag);
      Object.assign(app.draft(name, values), { uri, ...(task && { task: { ...task, resource } }) });
    }
  } catch {
    // It cannot be read, or is not what is written today.
  }
}

export function forgetDrafts() {
  try {
    sessionStorage.removeItem(NAME);
  } catch {
    // Nothing was kept, either.
  }
}
