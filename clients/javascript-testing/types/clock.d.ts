/** The clock of a sandbox or of a namespace. It runs on from the time that it is set to. */
export class Clock {
    /** @param {import("./sandbox.js").Sandbox} sandbox */
    constructor(sandbox: import("./sandbox.js").Sandbox);
    /** Move it forward. @param {{days?: number, hours?: number, minutes?: number, seconds?: number}} span */
    forward(span: {
        days?: number;
        hours?: number;
        minutes?: number;
        seconds?: number;
    }): Promise<Date>;
    /** Set it to an instant. @param {Date} now */
    set(now: Date): Promise<Date>;
    /** Set it to the time of the machine. */
    reset(): Promise<Date>;
    /** The time in the sandbox. */
    now(): Promise<Date>;
    #private;
}
