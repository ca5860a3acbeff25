/** hyperapi for Playwright: `test` with fixtures. */

import { test as base } from "@playwright/test";
import { PARTS, server } from "./fixtures.js";
import { TITLE, report } from "./report.js";

/**
 * @typedef {import("@playwright/test").PlaywrightTestArgs} Args
 * @typedef {import("@playwright/test").PlaywrightTestOptions} Options
 * @typedef {import("@playwright/test").PlaywrightWorkerArgs} WorkerArgs
 * @typedef {import("@playwright/test").PlaywrightWorkerOptions} WorkerOptions
 * @typedef {import("./sandbox.js").Sandbox} Sandbox
 */

/**
 * `test("…", async ({ page, makeUser, clock }) => { … })`. Each worker has a sandbox, and each test a namespace in
 * it. Pages read the URI of its root from `globalThis.HYPERAPI_ROOT`.
 *
 * @type {import("@playwright/test").TestType<
 *   Args & Options & import("./fixtures.js").Fixtures, WorkerArgs & WorkerOptions & {server: Sandbox}>}
 */
export const test = base.extend({
  server: [server, { scope: "worker" }],
  async sandbox({ server }, use, info) {
    const sandbox = await server.namespace();
    await use(sandbox);
    if (info.status !== info.expectedStatus) {
      await info.attach(TITLE, { body: await report(sandbox), contentType: "text/plain" });
    }
    await sandbox.end();
  },
  ...PARTS,
  async context({ context, sandbox }, use) {
    await context.addInitScript((root) => {
      /** @type {any} */ (globalThis).HYPERAPI_ROOT = root;
    }, sandbox.root);
    await use(context);
  },
});
