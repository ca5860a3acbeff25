/** The faults of a sandbox. */

/**
 * @typedef {object} Match
 * @property {string} [method]
 * @property {string} [route] the name of a route, or the relation of the links that lead to it
 * @property {string} [user] a username
 * @property {number} [count] the number of requests, by default 1
 *
 * @typedef {{status: number, retry_after?: number} | {delay: number} | {slow: number} | {truncate: number} |
 *   {cut: "before" | "after"} | {token: "expired"} | {disk: "full"}} Fault
 */

/** The faults of a sandbox or of a namespace that are still to come. */
export class Faults {
  #sandbox;

  /** @param {import("./sandbox.js").Sandbox} sandbox */
  constructor(sandbox) {
    this.#sandbox = sandbox;
  }

  /** Plan a fault for the next requests that match. @param {Fault & Match} planned */
  async add({ method, route, user, count = 1, ...fault }) {
    await this.#sandbox.send("POST", "faults", { match: { method, route, user }, count, fault });
  }

  /** The faults that are still to come, the oldest first. */
  async left() {
    return (await this.#sandbox.send("GET", "faults"))?.items ?? [];
  }

  /** Remove all faults. */
  async clear() {
    await this.#sandbox.send("DELETE", "faults");
  }
}
