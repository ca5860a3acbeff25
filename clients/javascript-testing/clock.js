/** The clock of a sandbox. */

const SECONDS = { days: 86_400, hours: 3600, minutes: 60, seconds: 1 };

/** The clock of a sandbox or of a namespace. It runs on from the time that it is set to. */
export class Clock {
  #sandbox;

  /** @param {import("./sandbox.js").Sandbox} sandbox */
  constructor(sandbox) {
    this.#sandbox = sandbox;
  }

  /** Move it forward. @param {{days?: number, hours?: number, minutes?: number, seconds?: number}} span */
  forward(span) {
    let forward = 0;
    for (const [unit, seconds] of Object.entries(SECONDS)) {
      forward += seconds * (span[/** @type {keyof typeof SECONDS} */ (unit)] ?? 0);
    }
    return this.#move({ forward });
  }

  /** Set it to an instant. @param {Date} now */
  set(now) {
    return this.#move({ now: now.toISOString() });
  }

  /** Set it to the time of the machine. */
  reset() {
    return this.#move({ ahead_by: 0 });
  }

  /** The time in the sandbox. */
  async now() {
    return new Date((await this.#sandbox.send("GET", "clock"))?.get("now"));
  }

  /** @param {Record<string, unknown>} wanted */
  async #move(wanted) {
    return new Date((await this.#sandbox.send("PATCH", "clock", wanted))?.get("now"));
  }
}
