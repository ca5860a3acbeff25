/** What a task is to people: which ones a view shows, in which order, and how a date is written. */

import { normal } from "../hyperapi.js";

export const PRIORITIES = ["none", "low", "medium", "high"];
export const NAMES = {
  title: "Title", description: "Notes", done: "Done", due_at: "Due", priority: "Priority", tags: "Tags",
};
export const SORTS = {
  created_at: "Oldest first", "-created_at": "Newest first", due_at: "Due date", "-priority": "Priority", title: "Title",
};

const STAMPS = new Set(["completed_at", "created_at", "updated_at"]);

/**
 * The members of a task that a PUT sends. Members that the app does not know are among them: the server would
 * take them for cleared otherwise.
 */
export const writable = (task) =>
  Object.fromEntries(Object.entries(task).filter(([name]) => !name.startsWith("_") && !STAMPS.has(name)));

/** Does a task belong to a view, as far as can be told without the server? */
export function fits(task, { list, done, q }) {
  if (list && task.list_uri !== list) return false;
  if (done !== "" && String(task.done) !== done) return false;
  const sought = normal(q).toLowerCase();
  return !sought || `${task.title}\n${task.description}`.toLowerCase().includes(sought);
}

/** The order of two tasks: as the server sorts, nulls last both ways. */
export function comparing(sort) {
  const down = sort.startsWith("-") ? -1 : 1;
  const by = sort.replace("-", "");
  const value = (task) =>
    by === "priority" ? PRIORITIES.indexOf(task.priority)
    : by === "title" ? task.title.toLowerCase()
    : task[by] && Date.parse(task[by]);
  return (one, other) => {
    const [a, b] = [value(one), value(other)];
    if (a === b) return 0;
    if (a === null || a === undefined) return 1;
    if (b === null || b === undefined) return -1;
    return (a < b ? -1 : 1) * down;
  };
}

/** An instant as a `datetime-local` field shows it, and back. */
export function toLocal(instant) {
  if (!instant) return "";
  const date = new Date(instant);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
export const fromLocal = (local) => (local ? new Date(local).toISOString().replace(".000Z", "Z") : null);

/** When a task is due, in words, and whether that is over. */
export function due(task, now = new Date()) {
  const date = new Date(task.due_at);
  const day = (each) => new Date(each.getFullYear(), each.getMonth(), each.getDate());
  const days = Math.round((day(date) - day(now)) / 86_400_000);
  const time = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const near = { "-1": "Yesterday", 0: "Today", 1: "Tomorrow" }[days];
  const far = { day: "numeric", month: "short", ...(date.getFullYear() === now.getFullYear() ? {} : { year: "numeric" }) };
  return {
    text: `${near ?? date.toLocaleDateString([], far)}, ${time}`,
    over: !task.done && date < now,
    soon: !task.done && date >= now && days <= 1,
  };
}

/** What was typed as tags: words between commas. */
export const tagsOf = (text) => [...new Set(text.split(",").map((tag) => tag.trim()).filter(Boolean))];

/** A member's value, for people. */
export function shown(name, value) {
  if (name === "due_at") return value ? new Date(value).toLocaleString([], { dateStyle: "medium", timeStyle: "short" }) : "no date";
  if (name === "tags") return value?.length ? value.join(", ") : "no tags";
  if (name === "done") return value ? "yes" : "no";
  return value || "nothing";
}
