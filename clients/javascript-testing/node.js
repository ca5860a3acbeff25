/** hyperapi for Node's test runner. */

import { after } from "node:test";
import { TITLE, report } from "./report.js";
import { open } from "./server.js";

/** @type {Promise<import("./sandbox.js").Sandbox> | undefined} */
let server;
after(async () => (await server)?.end());

/**
 * Make a test that gets a namespace of its own: `test("…", withSandbox(async ({ makeUser }) => { … }))`. The sandbox
 * of a process starts with its first such test.
 *
 * @param {(sandbox: import("./sandbox.js").Sandbox, t: import("node:test").TestContext) => unknown} run
 * @returns {(t: import("node:test").TestContext) => Promise<void>}
 */
export function withSandbox(run) {
  return async (t) => {
    server ??= open();
    const sandbox = await (await server).namespace();
    try {
      await run(sandbox, t);
    } catch (error) {
      t.diagnostic(`${TITLE}\n${await report(sandbox)}`);
      throw error;
    } finally {
      await sandbox.end();
    }
  };
}
