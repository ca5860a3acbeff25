/** A sandbox, or a namespace in one: its users, clock, snapshots, faults and requests. */

import { Client, Resource } from "hyperapi-client";
import { Clock } from "./clock.js";
import { Faults } from "./faults.js";
import { User } from "./user.js";

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
  #control;
  #operator;
  #end;

  /**
   * @param {string} root the URI of the API's root
   * @param {Resource} control its control resource
   * @param {Client} operator a client that has the secret of the control resource
   * @param {() => Promise<unknown>} end
   */
  constructor(root, control, operator, end) {
    this.root = root;
    this.clock = new Clock(this);
    this.faults = new Faults(this);
    this.#control = control;
    this.#operator = operator;
    this.#end = end;
  }

  /**
   * The sandbox at a URL.
   *
   * @param {string} url
   * @param {string} [secret]
   * @param {() => Promise<unknown>} [end]
   */
  static async at(url, secret, end = async () => {}) {
    const operator = new Client(url, {
      sessions: { read: () => null, write() {} },
      fetch(uri, init) {
        const headers = new Headers(init?.headers);
        if (secret) headers.set("Sandbox-Secret", secret);
        return fetch(uri, { ...init, headers });
      },
    });
    const root = await operator.root();
    const control = root.link("control");
    if (!control) throw new Error(`${url} is not a sandbox: its root has no link to control.`);
    return new Sandbox(root.uri, await operator.get(control), operator, end);
  }

  /**
   * Make a namespace: an empty service in this server. `end` deletes it.
   *
   * @param {string} [name] the last part of its path, by default a new one
   */
  async namespace(name) {
    const made = await this.#sent("POST", "namespaces", { name });
    const control = await this.#operator.get(made.link("control") ?? "");
    return new Sandbox(made.get("root"), control, this.#operator, () => this.#operator.delete(made.uri));
  }

  /** A client without a token. */
  client() {
    return new Client(this.root, { sessions: { read: () => null, write() {} } });
  }

  /**
   * Create a user who is signed in.
   *
   * @param {string} [username] by default a new one
   * @param {Json & {password?: string}} [values] a password, and collections to create for the user:
   *   `{ lists: { Groceries: ["Milk", { title: "Bread", done: true }] } }`
   */
  makeUser = async (username, values = {}) =>
    new User(this.root, await this.#sent("POST", "users", { username, ...values }));

  /** Take a snapshot of the data and the clock, for {@link restore}. */
  snapshot() {
    return this.#sent("POST", "snapshots");
  }

  /** Restore a snapshot. Faults that are left are removed. @param {Resource} snapshot */
  async restore(snapshot) {
    await this.#operator.ask(snapshot.uri, { method: "POST" });
  }

  /** The last 1,000 requests, the oldest first, without those to its control. @returns {Promise<RecordedRequest[]>} */
  async requests() {
    return (await this.#sent("GET", "requests")).get("requests");
  }

  /** Delete a namespace, or end the server that was started. */
  async end() {
    await this.#end();
  }

  /**
   * Send a request to what a link of the control resource leads to.
   *
   * @param {string} method
   * @param {string} rel
   * @param {Json} [body]
   * @returns {Promise<Resource | null>} null for a reply without content
   */
  async send(method, rel, body) {
    const uri = this.#control.link(rel);
    if (!uri) throw new Error(`The control resource of this sandbox has no link ${rel}.`);
    const headers = { "Content-Type": "application/json" };
    const reply = await this.#operator.ask(uri, body ? { method, headers, body: JSON.stringify(body) } : { method });
    return reply.status === 204 ? null : new Resource(await reply.json());
  }

  /** @param {string} method @param {string} rel @param {Json} [body] */
  async #sent(method, rel, body) {
    return /** @type {Resource} */ (await this.send(method, rel, body));
  }
}
