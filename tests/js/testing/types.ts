// A program in TypeScript that uses every export of the package for tests.

import { connect, open, start, Sandbox, User } from "hyperapi-testing";
import setup from "hyperapi-testing/global-setup";
import { withSandbox } from "hyperapi-testing/node";
import { test as played } from "hyperapi-testing/playwright";
import { test as vitest } from "hyperapi-testing/vitest";
import { test } from "node:test";

async function story(sandbox: Sandbox): Promise<string> {
  const ann: User = await sandbox.makeUser("ann", { password: "correct horse", lists: { Groceries: ["Milk"] } });
  await sandbox.faults.add({ status: 503, retry_after: 1, method: "POST", route: "lists", count: 2 });
  // @ts-expect-error: there is no such fault
  await sandbox.faults.add({ cut: "sometimes" });
  // @ts-expect-error: there is no such unit
  await sandbox.clock.forward({ weeks: 1 });
  const now: Date = await sandbox.clock.forward({ days: 1 });
  const before = await sandbox.snapshot();
  await sandbox.restore(before);
  const [first] = await sandbox.requests();
  const other = await sandbox.namespace("other");
  await other.end();
  return `${now.toISOString()} ${first?.status ?? ""} ${(await ann.root()).uri} ${ann.password} ${sandbox.client().rootUri}`;
}

test("node", withSandbox(async (sandbox, t) => t.diagnostic(await story(sandbox))));
vitest("vitest", async ({ sandbox, makeUser, clock, faults, server, expect }) => {
  const ann: User = await makeUser();
  expect([await clock.now(), await faults.left(), ann.username, server.root]).toBe(await story(sandbox));
});
played("playwright", async ({ page, sandbox, makeUser, clock, faults, server }) => {
  const ann: User = await makeUser();
  await page.goto([await clock.now(), await faults.left(), ann.username, server.root, await story(sandbox)].join());
});

export const servers: (() => Promise<Sandbox>)[] = [
  open,
  () => start({ command: ["hyperapi"], options: ["--users", "ann"] }),
  () => connect("http://127.0.0.1:5000", "secret"),
];
export const ended: Promise<() => Promise<void>> = setup();
