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
export const test: import("@playwright/test").TestType<Args & Options & import("./fixtures.js").Fixtures, WorkerArgs & WorkerOptions & {
    server: Sandbox;
}>;
export type Args = import("@playwright/test").PlaywrightTestArgs;
export type Options = import("@playwright/test").PlaywrightTestOptions;
export type WorkerArgs = import("@playwright/test").PlaywrightWorkerArgs;
export type WorkerOptions = import("@playwright/test").PlaywrightWorkerOptions;
export type Sandbox = import("./sandbox.js").Sandbox;
