// Three users in one test; then an hour that passes at once.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Missing, SignedOut } from "hyperapi-client";
import { withSandbox } from "hyperapi-testing/node";

test("three people do not see each other's tasks", withSandbox(async ({ makeUser }) => {
  const ann = await makeUser("ann", { lists: { Groceries: ["Milk"] } });
  const bob = await makeUser("bob", { lists: { Work: ["Report"] } });
  const carol = await makeUser("carol");

  const titles = async (user) => (await user.follow("tasks")).items.map((task) => task.get("title"));
  assert.deepEqual(await titles(ann), ["Milk"]);
  assert.deepEqual(await titles(bob), ["Report"]);
  assert.deepEqual(await titles(carol), []);
  const [milk] = await ann.follow("tasks");
  for (const stranger of [bob, carol]) {
    await assert.rejects(stranger.get(milk.uri), Missing);
  }
}));

test("a token lives for an hour", withSandbox(async ({ makeUser, clock, root }) => {
  const ann = await makeUser("ann"); // another one than that of the test before
  const token = ann.session.access_token;
  await ann.ask(root, { token });
  await clock.forward({ hours: 1, seconds: 1 });
  await assert.rejects(ann.ask(root, { token }), SignedOut);
}));
