import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { connect } from "hyperapi-testing";
import { withSandbox } from "hyperapi-testing/node";
import { anHour, lostReply, titles, twoUsers, wrong } from "./stories.js";

describe("side by side", { concurrency: true }, () => {
  for (const name of ["one", "other"]) test(name, withSandbox(twoUsers));
  test("an hour", withSandbox(anHour));
  test("a lost reply", withSandbox(lostReply));
});

test("a snapshot", withSandbox(async (sandbox) => {
  const ann = await sandbox.makeUser("ann");
  const before = await sandbox.snapshot();
  const lists = await ann.follow("lists");
  await ann.submit(lists.form("create"), { title: "Groceries" });
  await sandbox.restore(before);
  assert.deepEqual(await titles(ann), []);
}));

test("a clock that is set", withSandbox(async ({ clock }) => {
  const instant = new Date("2031-01-31T09:00:00Z");
  assert.ok((await clock.set(instant)) >= instant);
  assert.ok((await clock.reset()) < instant);
}));

test("a sign-out", withSandbox(async (sandbox) => {
  const ann = await sandbox.makeUser("ann");
  const elsewhere = sandbox.client();
  await ann.signOut();
  assert.equal(ann.signedIn, false);
  assert.equal(elsewhere.signedIn, false);
  const [last] = (await sandbox.requests()).slice(-1);
  assert.deepEqual([last.method, last.user], ["DELETE", "ann"]);
}));

test("faults that are removed", withSandbox(async ({ faults, makeUser }) => {
  await faults.add({ status: 503 });
  await faults.clear();
  assert.deepEqual(await titles(await makeUser()), []);
}));

test("refusals", withSandbox(async (sandbox) => {
  await assert.rejects(sandbox.makeUser("ann", { lists: [{ title: "" }] }), { status: 422 });
  await assert.rejects(sandbox.namespace(), /no link namespaces/);
  await assert.rejects(connect("http://127.0.0.1:1/"), /reached/);
}));

test("wrong", withSandbox(wrong));
