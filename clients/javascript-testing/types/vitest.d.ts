/**
 * `test("…", async ({ makeUser, clock }) => { … })`. Each worker has a sandbox, and each test a namespace in it.
 *
 * @type {import("vitest").TestAPI<import("./fixtures.js").Fixtures & {server: Sandbox}>}
 */
export const test: import("vitest").TestAPI<import("./fixtures.js").Fixtures & {
    server: Sandbox;
}>;
export type Sandbox = import("./sandbox.js").Sandbox;
