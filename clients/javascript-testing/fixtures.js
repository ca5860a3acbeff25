/** The fixtures that Vitest and Playwright have in common. */

import { open } from "./server.js";

/**
 * @typedef {import("./sandbox.js").Sandbox} Sandbox
 *
 * @typedef {object} Fixtures what each test may ask for
 * @property {Sandbox} sandbox a namespace of its own
 * @property {Sandbox["makeUser"]} makeUser
 * @property {Sandbox["clock"]} clock
 * @property {Sandbox["faults"]} faults
 */

/** The parts of a sandbox, as fixtures. */
export const PARTS = {
  /** @param {{sandbox: Sandbox}} fixtures @param {(part: Sandbox["makeUser"]) => Promise<void>} use */
  makeUser: ({ sandbox }, use) => use(sandbox.makeUser),
  /** @param {{sandbox: Sandbox}} fixtures @param {(part: Sandbox["clock"]) => Promise<void>} use */
  clock: ({ sandbox }, use) => use(sandbox.clock),
  /** @param {{sandbox: Sandbox}} fixtures @param {(part: Sandbox["faults"]) => Promise<void>} use */
  faults: ({ sandbox }, use) => use(sandbox.faults),
};

/** The sandbox of a worker. @param {object} fixtures @param {(server: Sandbox) => Promise<void>} use */
export async function server({}, use) {
  const opened = await open();
  await use(opened);
  await opened.end();
}
