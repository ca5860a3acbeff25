/** hyperapi for Vitest: `test` with fixtures. */

import { test as base } from "vitest";
import { PARTS, server } from "./fixtures.js";
import { TITLE, report } from "./report.js";

/** @typedef {import("./sandbox.js").Sandbox} Sandbox */

/**
 * A namespace for a test.
 *
 * @param {{server: Sandbox, task: import("vitest").RunnerTestCase}} context
 * @param {(made: Sandbox) => Promise<void>} use
 */
async function sandbox({ server, task }, use) {
  const made = await server.namespace();
  await use(made);
  if (task.result?.state === "fail") console.error(`${TITLE}\n${await report(made)}`);
  await made.end();
}

/**
 * `test("…", async ({ makeUser, clock }) => { … })`. Each worker has a sandbox, and each test a namespace in it.
 *
 * @type {import("vitest").TestAPI<import("./fixtures.js").Fixtures & {server: Sandbox}>}
 */
export const test = /** @type {any} */ (base).extend({ server: [server, { scope: "worker" }], sandbox, ...PARTS });
