/** The `globalSetup` of Vitest and Playwright: one sandbox for all workers of a run. */

import { open } from "./server.js";

/** Open a sandbox and name it in the environment of the workers. @returns {Promise<() => Promise<void>>} its end */
export default async function setup() {
  const server = await open();
  process.env.SANDBOX_URL = server.root;
  return () => server.end();
}
