/**
 * @typedef {Record<string, any>} Json
 *
 * @typedef {object} RecordedRequest
 * @property {string} method
 * @property {string | null} route
 * @property {string} path
 * @property {number | null} status null when a fault cut the request before it was carried out
 * @property {string | null} user
 * @property {number} ms
 * @property {string} request_id
 * @property {Json} [fault]
 * @property {string[]} [log] the warnings and errors that the server logged, each a JSON document
 */
/** An empty service for tests: a server, or a namespace of one. */
export class Sandbox {
    /**
     * The sandbox at a URL.
     *
     * @param {string} url
     * @param {string} [secret]
     * @param {() => Promise<unknown>} [end]
     */
    static at(url: string, secret?: string, end?: () => Promise<unknown>): Promise<Sandbox>;
    /**
     * @param {string} root the URI of the API's root
     * @param {Resource} control its control resource
     * @param {Client} operator a client that has the secret of the control resource
     * @param {() => Promise<unknown>} end
     */
    constructor(root: string, control: Resource, operator: Client, end: () => Promise<unknown>);
    root: string;
    clock: Clock;
    faults: Faults;
    /**
     * Make a namespace: an empty service in this server. `end` deletes it.
     *
     * @param {string} [name] the last part of its path, by default a new one
     */
    namespace(name?: string): Promise<Sandbox>;
    /** A client without a token. */
    client(): Client;
    /**
     * Create a user who is signed in.
     *
     * @param {string} [username] by default a new one
     * @param {Json & {password?: string}} [values] a password, and collections to create for the user:
     *   `{ lists: { Groceries: ["Milk", { title: "Bread", done: true }] } }`
     */
    makeUser: (username?: string, values?: Json & {
        password?: string;
    }) => Promise<User>;
    /** Take a snapshot of the data and the clock, for {@link restore}. */
    snapshot(): Promise<Resource>;
    /** Restore a snapshot. Faults that are left are removed. @param {Resource} snapshot */
    restore(snapshot: Resource): Promise<void>;
    /** The last 1,000 requests, the oldest first, without those to its control. @returns {Promise<RecordedRequest[]>} */
    requests(): Promise<RecordedRequest[]>;
    /** Delete a namespace, or end the server that was started. */
    end(): Promise<void>;
    /**
     * Send a request to what a link of the control resource leads to.
     *
     * @param {string} method
     * @param {string} rel
     * @param {Json} [body]
     * @returns {Promise<Resource | null>} null for a reply without content
     */
    send(method: string, rel: string, body?: Json): Promise<Resource | null>;
    #private;
}
export type Json = Record<string, any>;
export type RecordedRequest = {
    method: string;
    route: string | null;
    path: string;
    /**
     * null when a fault cut the request before it was carried out
     */
    status: number | null;
    user: string | null;
    ms: number;
    request_id: string;
    fault?: Json | undefined;
    /**
     * the warnings and errors that the server logged, each a JSON document
     */
    log?: string[] | undefined;
};
import { Clock } from "./clock.js";
import { Faults } from "./faults.js";
import { Client } from "hyperapi-client";
import { User } from "./user.js";
import { Resource } from "hyperapi-client";
