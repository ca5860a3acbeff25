// Three users in one test, side by side; then an hour passes without anybody waiting for it.

import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";

import { Client, makeUser, startSandbox } from "./sandbox.js";

let sandbox, beginning;

before(async () => {
  sandbox = await startSandbox("--users", "carol");
  beginning = await new Client().ask("POST", sandbox.control.snapshots_uri);
});
after(() => sandbox.stop());
beforeEach(() => new Client().ask("POST", beginning.uri)); // restores it, in milliseconds

test("three people do not see each other's tasks", async () => {
  const ann = await makeUser(sandbox, "ann");
  const bob = await makeUser(sandbox, "bob");
  const carol = new Client(sandbox.users[0].access_token);

  const groceries = await ann.ask("POST", ann.lists_uri, { title: "Groceries" });
  const milk = await ann.ask("POST", groceries.tasks_uri, { title: "Milk" });
  const work = await bob.ask("POST", bob.lists_uri, { title: "Work" });
  await bob.ask("POST", work.tasks_uri, { title: "Report" });

  const titles = async (someone, uri) => (await someone.get(uri)).tasks.map((task) => task.title);
  assert.deepEqual(await titles(ann, ann.tasks_uri), ["Milk"]);
  assert.deepEqual(await titles(bob, bob.tasks_uri), ["Report"]);
  const root = await carol.get(sandbox.root);
  assert.deepEqual(await titles(carol, root.tasks_uri), []);
  for (const stranger of [bob, carol]) {
    await assert.rejects(stranger.get(milk.uri), { status: 404 });
  }
});

test("a token lives for an hour", async () => {
  const ann = await makeUser(sandbox, "ann"); // the one of the test before is gone
  await ann.get(ann.lists_uri);
  await new Client().ask("PATCH", sandbox.control.clock_uri, { forward: 3601 });
  await assert.rejects(ann.get(ann.lists_uri), (error) =>
    error.document.type.endsWith("/problems/token-expired"),
  );
});
