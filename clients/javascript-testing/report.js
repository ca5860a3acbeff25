/** What a failed test reports: the requests to its sandbox. */

export const TITLE = "Requests to the sandbox";

/**
 * The requests to a sandbox as text, one a line, each followed by what the server logged.
 *
 * @param {import("./sandbox.js").Sandbox} sandbox
 * @returns {Promise<string>}
 */
export async function report(sandbox) {
  try {
    const lines = (await sandbox.requests()).flatMap(({ method, path, status, user, ms, fault, log = [] }) => {
      const planned = fault ? `, fault: ${JSON.stringify(fault)}` : "";
      return [`${method} ${path} ${status ?? "-"} ${ms} ms, ${user ?? "nobody"}${planned}`, ...log.map((line) => `    ${line}`)];
    });
    return lines.join("\n") || "none";
  } catch (error) {
    return `The sandbox does not answer: ${error}`; // the error of the test matters more
  }
}
