/**
 * Use the sandbox that the variables SANDBOX_URL and SANDBOX_SECRET name. Without them, start one.
 *
 * @returns {Promise<Sandbox>}
 */
export function open(): Promise<Sandbox>;
/**
 * Use a sandbox that runs already. `end` does not stop it.
 *
 * @param {string} url of the server, or of its API's root
 * @param {string} [secret] of its control resource, where it has one
 * @returns {Promise<Sandbox>}
 */
export function connect(url: string, secret?: string): Promise<Sandbox>;
/**
 * Start a sandbox. It ends with `end`, or with this process.
 *
 * @param {{command?: string[], options?: string[]}} [how] the command, by default the program that the
 *   variable HYPERAPI_COMMAND names, or else `hyperapi`; and options of `hyperapi sandbox`
 * @returns {Promise<Sandbox>}
 */
export function start({ command, options }?: {
    command?: string[];
    options?: string[];
}): Promise<Sandbox>;
import { Sandbox } from "./sandbox.js";
