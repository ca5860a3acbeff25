/** The sandbox that tests use: one that runs already, or a process of its own. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { Sandbox } from "./sandbox.js";

/** Variables that describe a sandbox in a container. They do not concern one that is started here. */
const OF_A_CONTAINER = "HYPERAPI_SANDBOX_";

/**
 * Use the sandbox that the variables SANDBOX_URL and SANDBOX_SECRET name. Without them, start one.
 *
 * @returns {Promise<Sandbox>}
 */
export async function open() {
  const { SANDBOX_URL: url, SANDBOX_SECRET: secret } = process.env;
  return url ? connect(url, secret) : start();
}

/**
 * Use a sandbox that runs already. `end` does not stop it.
 *
 * @param {string} url of the server, or of its API's root
 * @param {string} [secret] of its control resource, where it has one
 * @returns {Promise<Sandbox>}
 */
export function connect(url, secret) {
  return Sandbox.at(url, secret);
}

/**
 * Start a sandbox. It ends with `end`, or with this process.
 *
 * @param {{command?: string[], options?: string[]}} [how] the command, by default the program that the
 *   variable HYPERAPI_COMMAND names, or else `hyperapi`; and options of `hyperapi sandbox`
 * @returns {Promise<Sandbox>}
 */
export async function start({ command = [process.env.HYPERAPI_COMMAND ?? "hyperapi"], options = [] } = {}) {
  const [program = "hyperapi", ...before] = command;
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith(OF_A_CONTAINER));
  const server = spawn(program, [...before, "sandbox", ...options], {
    env: Object.fromEntries(inherited),
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(server, "exit");
  const [line] = await Promise.race([
    once(createInterface(server.stdout), "line"),
    ended.then(
      ([status]) => Promise.reject(new Error(`hyperapi sandbox does not start. It ended with ${status}.`)),
      (cause) => {
        const advice = "Install hyperapi, or name its program in the variable HYPERAPI_COMMAND.";
        throw new Error(`${program} cannot be run. ${advice}`, { cause });
      },
    ),
  ]);
  server.unref();
  /** @type {import("node:net").Socket} */ (server.stdout).unref();
  const { root, control_secret } = JSON.parse(line);
  return Sandbox.at(root, control_secret, async () => {
    server.ref();
    if (server.kill()) await ended;
  });
}
