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
    /** @param {import("./sandbox.js").Sandbox} sandbox */
    constructor(sandbox: import("./sandbox.js").Sandbox);
    /** Plan a fault for the next requests that match. @param {Fault & Match} planned */
    add({ method, route, user, count, ...fault }: Fault & Match): Promise<void>;
    /** The faults that are still to come, the oldest first. */
    left(): Promise<import("hyperapi-client").Resource[]>;
    /** Remove all faults. */
    clear(): Promise<void>;
    #private;
}
export type Match = {
    method?: string | undefined;
    /**
     * the name of a route, or the relation of the links that lead to it
     */
    route?: string | undefined;
    /**
     * a username
     */
    user?: string | undefined;
    /**
     * the number of requests, by default 1
     */
    count?: number | undefined;
};
export type Fault = {
    status: number;
    retry_after?: number;
} | {
    delay: number;
} | {
    slow: number;
} | {
    truncate: number;
} | {
    cut: "before" | "after";
} | {
    token: "expired";
} | {
    disk: "full";
};
