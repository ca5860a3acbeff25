/**
 * The requests to a sandbox as text, one a line, each followed by what the server logged.
 *
 * @param {import("./sandbox.js").Sandbox} sandbox
 * @returns {Promise<string>}
 */
export function report(sandbox: import("./sandbox.js").Sandbox): Promise<string>;
/** What a failed test reports: the requests to its sandbox. */
export const TITLE: "Requests to the sandbox";
