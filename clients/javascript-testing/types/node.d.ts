/**
 * Make a test that gets a namespace of its own: `test("…", withSandbox(async ({ makeUser }) => { … }))`. The sandbox
 * of a process starts with its first such test.
 *
 * @param {(sandbox: import("./sandbox.js").Sandbox, t: import("node:test").TestContext) => unknown} run
 * @returns {(t: import("node:test").TestContext) => Promise<void>}
 */
export function withSandbox(run: (sandbox: import("./sandbox.js").Sandbox, t: import("node:test").TestContext) => unknown): (t: import("node:test").TestContext) => Promise<void>;
