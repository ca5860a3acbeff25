// Walks through the service with Ketting, knowing its root and the names of relations and forms.
//
// usage: node ketting.js ROOT; prints each step that worked, and fails at the first that does not.

import assert from "node:assert/strict";
import ketting from "ketting";

const [root] = process.argv.slice(2);
const client = new ketting.Client(root);
const credentials = { username: "katja", password: "correct horse battery" };
let token;

client.use((request, next) => {
  // PUT sends back all headers that came with a document; browsers leave out what is not for
  // programs to set, Node does not.
  for (const name of ["Connection", "Content-Length", "Date"]) request.headers.delete(name);
  if (token) request.headers.set("Authorization", `Bearer ${token}`);
  return next(request);
});

const submit = async (resource, name, fields = {}) =>
  (await resource.refresh()).action(name).submit(fields);
const made = (state) => client.go(state.links.get("self").href);
const titles = (state) => // of what is embedded: Ketting asks only for what it does not have
  Promise.all(state.followAll("item").map(async (each) => (await each.get()).data.title));
const status = (promise) => promise.then(() => 200, (error) => error.status);

async function signIn() {
  await submit(await client.follow("users"), "register", credentials);
  const session = await submit(await client.follow("tokens"), "login", credentials);
  token = session.data.access_token;
  client.clearCache();
  return session;
}

async function refresh(session) {
  token = undefined; // who has no good token any more sees the form
  const tokens = await client.follow("tokens");
  const fresh = await submit(tokens, "refresh", { refresh_token: session.data.refresh_token });
  token = fresh.data.access_token;
  assert.equal(made(fresh).uri, made(session).uri);
  client.clearCache();
  return made(fresh);
}

async function fill() {
  const list = made(await submit(await client.follow("lists"), "create", { title: "Groceries" }));
  const tasks = await list.follow("tasks");
  assert.deepEqual(await titles(await tasks.get()), []);
  for (let number = 1; number <= 60; number++)
    await submit(tasks, "create", {
      title: `Thing ${String(number).padStart(2, "0")}`,
      tags: ["food", number % 2 ? "odd" : "even"],
      due_at: `2030-01-01T00:00:${String(number - 1).padStart(2, "0")}+01:00`,
    });
  assert.equal((await list.refresh()).data.open_count, 60);
  return { list, tasks };
}

async function leafThrough(tasks) {
  let page = await tasks.refresh();
  const pages = [await titles(page)];
  while (page.links.has("next")) pages.push(await titles((page = await page.follow("next").get())));
  assert.deepEqual(pages.map((each) => each.length), [25, 25, 10]);
  assert.equal(new Set(pages.flat()).size, 60);
  const back = [await titles(page)];
  while (page.links.has("prev")) back.unshift(await titles((page = await page.follow("prev").get())));
  assert.deepEqual(back, pages);
  assert.deepEqual(await titles(await page.follow("first").get()), pages[0]);
  assert.equal((await titles(await page.follow("last").get())).at(-1), "Thing 60");
}

async function search(tasks) {
  const wanted = { tag: ["food", "odd"], title_prefix: "thing 1", sort: "-title", limit: "3" };
  const found = await submit(tasks, "search", wanted);
  assert.deepEqual(await titles(found), ["Thing 19", "Thing 17", "Thing 15"]);
  assert.deepEqual(await titles(await found.follow("next").get()), ["Thing 13", "Thing 11"]);
  const linked = await (await tasks.get()).follow("search", { q: "60", done: "false" }).get();
  assert.deepEqual(await titles(linked), ["Thing 60"]);
  return found.followAll("item")[0];
}

async function work(task) {
  const offered = async () =>
    (await task.refresh()).actions().map((each) => each.name).filter((name) => /e(te|n)$/.test(name));
  assert.deepEqual((await task.get()).data.tags, ["food", "odd"]); // embedded whole, so not asked for
  await submit(task, "edit", { title: "Bread", priority: "high" });
  assert.deepEqual(await offered(), ["complete", "delete"]);
  await submit(task, "complete");
  assert.deepEqual(await offered(), ["reopen", "delete"]);
  assert.equal((await task.get()).data.done, true);
  await submit(task, "reopen");
  const state = await task.refresh();
  assert.equal(state.data.done, false);
  assert.deepEqual([state.data.title, state.data.priority], ["Bread", "high"]);
  state.data.title = "Rye bread";
  await task.put(state); // the whole document, as it came
  assert.equal((await task.refresh()).data.title, "Rye bread");
  assert.deepEqual((await task.get()).data.tags, ["food", "odd"]);
  await submit(task, "delete");
  assert.equal(await status(task.refresh()), 404);
}

async function narrow() {
  const tokens = await client.follow("tokens");
  const reader = await submit(tokens, "derive", { label: "reader", scope: "tasks:read" });
  assert.equal(reader.data.scope, "tasks:read");
  await submit(made(reader), "revoke");
}

async function leave({ list, tasks }, session) {
  await submit(list, "delete");
  assert.equal(await status(tasks.refresh()), 404);
  assert.equal((await session.refresh()).data.current, true);
  await submit(session, "revoke");
  assert.equal(await status(client.go().refresh()), 401);
  token = undefined;
  assert.equal((await client.go().refresh()).links.has("user"), false);
}

const step = async (name, walking) => {
  const result = await walking;
  console.log(name);
  return result;
};

const signedIn = await step("sign in", signIn());
const session = await step("refresh", refresh(signedIn));
const kept = await step("fill a list", fill());
await step("leaf through its pages", leafThrough(kept.tasks));
const task = await step("search", search(kept.tasks));
await step("work on a task", work(task));
await step("narrow a token", narrow());
await step("leave", leave(kept, session));
