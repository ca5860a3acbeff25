// What the test files of all three runners do. Each function takes the fixtures that a test asked for.

import assert from "node:assert/strict";
import { Missing, SignedOut } from "hyperapi-client";

export const titles = async (client) => (await client.follow("lists")).items.map((list) => list.get("title"));

export async function twoUsers({ makeUser }) {
  const ann = await makeUser("ann", { lists: { Groceries: ["Milk"] } });
  const bob = await makeUser("bob");
  const [groceries] = (await ann.follow("lists")).items;
  assert.deepEqual(await titles(ann), ["Groceries"]);
  assert.deepEqual(await titles(bob), []);
  await assert.rejects(bob.get(groceries.uri), Missing);
}

export async function anHour({ makeUser, clock, root }) {
  const ann = await makeUser();
  const { access_token: token } = ann.session;
  await ann.ask(root, { token });
  const [before, after] = [await clock.now(), await clock.forward({ hours: 1, seconds: 1 })];
  assert.ok(after - before >= 3_600_000);
  await assert.rejects(ann.ask(root, { token }), SignedOut);
  assert.deepEqual(await titles(ann), []); // the client has refreshed its session
  assert.notEqual(ann.session.access_token, token);
}

export async function lostReply({ makeUser, faults }) {
  const ann = await makeUser("ann");
  const lists = await ann.follow("lists");
  await faults.add({ cut: "after", method: "POST", route: "lists", user: "ann", count: 2 });
  assert.equal((await faults.left()).length, 1);
  await assert.rejects(ann.submit(lists.form("create"), { title: "Groceries" }, { action: "once" }));
  await ann.submit(lists.form("create"), { title: "Groceries" }, { action: "once" });
  assert.deepEqual(await titles(ann), ["Groceries"]);
  assert.deepEqual(await faults.left(), []);
}

export async function wrong({ makeUser }) {
  const ann = await makeUser("ann", { lists: ["Groceries"] });
  assert.deepEqual(await titles(ann), ["Bread"]);
}
