/**
 * The JavaScript client of hyperapi: one module without dependencies.
 *
 * It knows the URI of the root, and the names of relations and forms. It follows links and submits
 * forms. Replies are {@link Resource}s, and failures are {@link ApiError}s.
 */

const HAL_FORMS = "application/prs.hal-forms+json";
const FORM_ENCODED = "application/x-www-form-urlencoded";
const EVENTS = "text/event-stream";
/** A token is refreshed this long before it expires, or a fifth of its lifetime when that is shorter. */
const RENEW_BEFORE_MS = 30_000;
const BEFORE_REPEAT_MS = 300;
/** The server sends something on a stream every 15 s. After a longer silence the connection is dead. */
const SILENCE_MS = 40_000;
const POLL_SECONDS = 25;
/** Poll for this long when the server has no room for another stream, then try a stream again. */
const NO_STREAM_MS = 30_000;
const REMEMBERED = 300;
const CLOCKS_DIFFER_MS = 60_000;
const REDIRECTS = [301, 302, 303, 307, 308];

/**
 * @typedef {Record<string, any>} Json
 * @typedef {{href: string, templated?: boolean}} Link
 * @typedef {{prompt: string, value: string}} Option
 * @typedef {object} Field
 * @property {string} name
 * @property {string} [prompt]
 * @property {string} [type]
 * @property {boolean} [required]
 * @property {boolean} [readOnly]
 * @property {any} [value]
 * @property {string} [regex]
 * @property {number} [min]
 * @property {number} [max]
 * @property {number} [minLength]
 * @property {number} [maxLength]
 * @property {{inline?: Option[]}} [options]
 *
 * @typedef {object} Form
 * @property {string} name
 * @property {string} title
 * @property {string} method
 * @property {string} target
 * @property {string} contentType
 * @property {Field[]} properties
 *
 * @typedef {object} Session
 * @property {string} access_token
 * @property {string} [refresh_token]
 * @property {number} ends when the access token expires, in milliseconds since 1970
 * @property {number} [life] its lifetime in milliseconds
 * @property {string} uri the session's own URI
 * @property {string} [client_id] the app that it was granted to (OAuth 2.1)
 *
 * @typedef {object} Authorization
 * @property {string} page where to send the browser
 * @property {string} client_id
 * @property {string} redirect_uri
 * @property {string} verifier
 * @property {string} state
 */

// ---------------------------------------------------------------------------------------- errors

/** Any error of this client. */
export class ApiError extends Error {}

/** There was no reply: the network or the server failed, or the time ran out. */
export class Unreachable extends ApiError {
  /** @param {unknown} cause @param {boolean} slow whether the time ran out */
  constructor(cause, slow = false) {
    super(slow ? "The server takes too long to answer." : "The server cannot be reached.", { cause });
    this.slow = slow;
  }
}

/**
 * A link, form, redirect or stored session leads to another origin than the root's. No data of the
 * user was sent there.
 */
export class ForeignOrigin extends ApiError {
  /** @param {string} origin the root's @param {string} other */
  constructor(origin, other) {
    super(`Nothing was sent to ${other}: this client sends requests to ${origin} alone.`);
    this.origin = origin;
    this.other = other;
  }
}

/** The server refused the request, with a problem document (RFC 9457). */
export class Problem extends ApiError {
  /**
   * @param {number} status
   * @param {Json} document
   * @param {Headers} headers
   */
  constructor(status, document, headers) {
    super([document.title, document.detail].filter(Boolean).join(". ") || `The server answered ${status}.`);
    this.status = status;
    this.document = document;
    /** The last part of the type's URI is the problem's name. */
    this.name = String(document.type ?? "").split("/").pop() || `status-${status}`;
    this.retryAfter = seconds(headers.get("Retry-After"));
  }

  /** The errors of members and parameters, by name. @returns {Map<string, string>} */
  get fields() {
    const found = new Map();
    for (const error of this.document.errors ?? []) {
      const name = error.parameter ?? String(error.pointer ?? "").split("/")[1] ?? "";
      const before = found.get(name);
      found.set(name, before ? `${before}; ${error.detail}` : error.detail);
    }
    return found;
  }
}

/** 400, 409 or 422: the request is not valid. */
export class Refused extends Problem {}
/** 401: not signed in, or the session has ended. */
export class SignedOut extends Problem {}
/** 403: the token does not allow this. The session continues. */
export class NotAllowed extends Problem {}
/** 404 or 410: the resource does not exist, or no longer. */
export class Missing extends Problem {}
/** 429 or 503: try again later. */
export class Later extends Problem {}
/** Other statuses from 500 on: the server failed. */
export class Broken extends Problem {}

/** 412: the resource has changed since it was last seen. */
export class Conflict extends Problem {
  /** @param {number} status @param {Json} document @param {Headers} headers */
  constructor(status, document, headers) {
    super(status, document, headers);
    /** The current resource. @type {Resource | null} */
    this.current = document.current ? new Resource(document.current, headers.get("ETag")) : null;
  }
}

/** @param {string | null} header @returns {number | null} */
function seconds(header) {
  return header && /^\d+$/.test(header) ? Number(header) : null;
}

/** @param {Response} response @returns {Promise<Problem>} */
async function problemOf(response) {
  const { status, headers } = response;
  /** @type {Json} */
  let document = {};
  try {
    const parsed = await response.json();
    if (parsed && typeof parsed === "object") document = parsed;
  } catch {
    // A proxy sent a reply of its own.
  }
  const kind =
    status === 401 ? SignedOut
    : status === 403 ? NotAllowed
    : status === 404 || status === 410 ? Missing
    : status === 412 ? Conflict
    : status === 429 || status === 503 ? Later
    : status >= 500 ? Broken
    : Refused;
  return new kind(status, document, headers);
}

// ------------------------------------------------------------------------------------- resources

/** A resource as the server sent it: members, links, forms, and the items of a collection. */
export class Resource {
  /**
   * @param {Json} document in HAL-FORMS
   * @param {string | null} etag
   * @param {string | null} undo the URI that undoes the change which this is the result of
   */
  constructor(document, etag = null, undo = null) {
    this.document = document;
    this.etag = etag;
    this.undo = undo;
    /** @type {Resource[]} */
    this.items = [document._embedded?.item ?? []].flat().map((/** @type {Json} */ item) => new Resource(item));
  }

  /** The items of this page of a collection. {@link Client#items} reads further pages. */
  [Symbol.iterator]() {
    if (!this.document._embedded?.item) throw new TypeError(`${this.uri} is not a collection: it has no items.`);
    return this.items[Symbol.iterator]();
  }

  /** @returns {string} */
  get uri() {
    return this.link("self") ?? "";
  }

  /** The URI that a link leads to; undefined without the link. @param {string} rel @param {Json} [values] */
  link(rel, values) {
    /** @type {Link | undefined} */
    const link = [this.document._links?.[rel]].flat()[0];
    if (!link) return undefined;
    return link.templated ? expand(link.href, values ?? {}) : link.href;
  }

  /** The form of this name; undefined when it is not offered. @param {string} name @returns {Form | undefined} */
  form(name) {
    const found = this.document._templates?.[name];
    if (!found) return undefined;
    return { target: this.uri, contentType: "application/json", ...found, properties: found.properties ?? [], name };
  }

  /** @returns {Form[]} */
  get forms() {
    return Object.keys(this.document._templates ?? {}).map((name) => /** @type {Form} */ (this.form(name)));
  }

  /** The value of a member. @param {string} name @returns {any} */
  get(name) {
    return this.document[name];
  }
}

/** The link `undo` of a reply. Relations of hyperapi are URIs in headers. @param {Response} response @returns {string | null} */
function undoOf(response) {
  return /<([^>]*)>; rel="[^"]*\/undo"/.exec(response.headers.get("Link") ?? "")?.[1] ?? null;
}

/**
 * Expand a URI template of the kinds that the server uses (RFC 6570: `{x}` and `{?x,y*}`).
 *
 * @param {string} template
 * @param {Json} values
 */
export function expand(template, values) {
  return template.replace(/\{(\??)([^}]+)\}/g, (_, query, names) => {
    /** @type {string[]} */
    const found = [];
    for (const name of names.replaceAll("*", "").split(",")) {
      for (const value of [values[name] ?? []].flat()) {
        const text = encodeURIComponent(String(value));
        found.push(query ? `${encodeURIComponent(name)}=${text}` : text);
      }
    }
    return found.length ? (query ? "?" : "") + found.join(query ? "&" : ",") : "";
  });
}

/** A new UUID of version 7, for a resource or an action of this client. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const now = Date.now();
  for (let at = 0; at < 6; at++) bytes[at] = Math.floor(now / 2 ** (8 * (5 - at))) % 256;
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

// -------------------------------------------------------------------------- shared by all tabs

/** The store of the session for all tabs of this origin: local storage, or else memory. */
export class SessionStore {
  /** @param {string} name */
  constructor(name = "hyperapi.session") {
    this.name = name;
    /** @type {string | null} */
    this.memory = null;
    this.lasting = true;
    try {
      localStorage.setItem(`${name}.try`, ""); // it may exist and refuse every value
      localStorage.removeItem(`${name}.try`);
    } catch {
      this.lasting = false;
    }
  }

  /** @returns {Session | null} */
  read() {
    let text = this.memory;
    if (this.lasting) {
      try {
        text = localStorage.getItem(this.name);
      } catch {
        this.lasting = false;
      }
    }
    try {
      return text ? JSON.parse(text) : null;
    } catch {
      return null;
    }
  }

  /** @param {Session | null} session */
  write(session) {
    this.memory = session && JSON.stringify(session);
    if (!this.lasting) return;
    try {
      if (this.memory) localStorage.setItem(this.name, this.memory);
      else localStorage.removeItem(this.name);
    } catch {
      this.lasting = false; // it is full or no longer allowed
    }
  }
}

/** @param {Uint8Array} bytes */
function inBase64Url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function randomText() {
  return inBase64Url(crypto.getRandomValues(new Uint8Array(48)));
}

const LEASE_MS = 10_000;
/** Local storage reaches other tabs after a moment. A tab that waited for a lock waits for that too. */
const SETTLED_MS = 100;
/** @type {Map<string, Promise<unknown>>} */
const inThisTab = new Map();

/**
 * Run a function while no other tab runs one of the same name: with Web Locks, or a lease in local storage.
 *
 * @template T
 * @param {string} name
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function exclusively(name, work) {
  const locks = globalThis.navigator?.locks;
  if (locks) {
    /** @type {{done: T} | null} */
    const first = await locks.request(name, { ifAvailable: true }, async (lock) => lock && { done: await work() });
    if (first) return first.done;
    return /** @type {Promise<T>} */ (locks.request(name, async () => {
      await pause(SETTLED_MS);
      return work();
    }));
  }
  const before = inThisTab.get(name) ?? Promise.resolve();
  const mine = before.catch(() => {}).then(() => underLease(`lease ${name}`, work));
  inThisTab.set(name, mine);
  return mine;
}

/**
 * @template T
 * @param {string} key
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
async function underLease(key, work) {
  const mine = newKey();
  try {
    for (;;) {
      const [owner, until] = (localStorage.getItem(key) ?? "").split(" ");
      if (!owner || owner === mine || Number(until) < Date.now()) {
        localStorage.setItem(key, `${mine} ${Date.now() + LEASE_MS}`);
        await pause(30); // a tab that wrote at the same moment has overwritten it by now
        if ((localStorage.getItem(key) ?? "").startsWith(mine)) break;
      }
      await pause(50);
    }
  } catch {
    return work(); // without storage, tabs share no session
  }
  try {
    return await work();
  } finally {
    localStorage.removeItem(key);
  }
}

/** @param {number} ms @param {AbortSignal} [signal] @returns {Promise<void>} */
export function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    }
    if (signal?.aborted) done();
    else signal?.addEventListener("abort", done);
  });
}

// ---------------------------------------------------------------------------------------- client

/**
 * @typedef {object} Asked
 * @property {string} [method]
 * @property {Record<string, string>} [headers]
 * @property {string} [body]
 * @property {boolean | undefined} [anonymous] without the token
 * @property {string} [token] with this token instead of the session's
 * @property {AbortSignal} [signal]
 * @property {boolean} [endless] a stream, without a timeout
 *
 * @typedef {object} Sending
 * @property {string | null} [ifMatch] the ETag of the version to change
 * @property {string} [action] the Idempotency-Key; pass the same one to try again
 * @property {boolean} [anonymous]
 *
 * @typedef {{uri: string, id?: string}} Position a position in the feed
 *
 * @typedef {object} News
 * @property {"change" | "resync" | "live" | "waiting"} kind
 * @property {Json} [change] `{uri, type, deleted, changed_at, resource}`
 * @property {Position} [position] where to continue after it
 * @property {boolean} [reachable] while waiting: whether the server replied
 */

/**
 * A client for one user. The event `signed-out` tells that the session has ended, here, in another
 * tab or on another device.
 */
export class Client extends EventTarget {
  /**
   * @param {string} root the URI of the root
   * @param {{sessions?: Pick<SessionStore, "read" | "write">, timeout?: number, fetch?: typeof globalThis.fetch}} [options]
   */
  constructor(root, { sessions = new SessionStore(), timeout = 30_000, fetch } = {}) {
    super();
    this.rootUri = root;
    this.sessions = sessions;
    this.timeout = timeout;
    this.fetch = fetch ?? globalThis.fetch.bind(globalThis);
    /** The URI that undoes the last change of this client; null without any. @type {string | null} */
    this.lastUndo = null;
    /** The last resources, for conditional requests. @type {Map<string, Resource>} */
    this.seen = new Map();
  }

  get signedIn() {
    return this.session !== null;
  }

  /** The session at the root's origin; null for one of another origin. @returns {Session | null} */
  get session() {
    const kept = this.sessions.read();
    return kept?.uri && originOf(kept.uri) !== originOf(this.rootUri) ? null : kept;
  }

  /**
   * Refuse another origin than the root's. Every request passes here, so no link, form, redirect or
   * stored URI can carry a token, a password or other data to another server.
   *
   * @param {string} uri
   */
  #checkOrigin(uri) {
    const [origin, other] = [originOf(this.rootUri), originOf(uri)];
    if (other !== origin) throw new ForeignOrigin(origin, other);
  }

  // -- reading

  /** @param {{anonymous?: boolean}} [options] */
  root(options) {
    return this.get(this.rootUri, options);
  }

  /**
   * Read a resource. When it has not changed, the server sends 304 and the known one is returned.
   *
   * @param {string} uri
   * @param {{anonymous?: boolean | undefined, signal?: AbortSignal}} [options]
   * @returns {Promise<Resource>}
   */
  async get(uri, options = {}) {
    const key = `${options.anonymous ? "" : this.session?.uri ?? ""} ${uri}`;
    const known = this.seen.get(key);
    /** @type {Record<string, string>} */
    const headers = known?.etag ? { "If-None-Match": known.etag } : {};
    const response = await this.#read(uri, { ...options, headers });
    if (response.status === 304 && known) return known;
    const resource = new Resource(await json(response), response.headers.get("ETag"));
    this.seen.delete(key);
    this.seen.set(key, resource);
    for (const oldest of this.seen.keys()) {
      if (this.seen.size <= REMEMBERED) break;
      this.seen.delete(oldest);
    }
    return resource;
  }

  /** Send a GET, and send it once more when its connection breaks. @param {string} uri @param {Asked} asked */
  async #read(uri, asked) {
    try {
      return await this.ask(uri, asked);
    } catch (error) {
      if (!(error instanceof Unreachable) || error.slow) throw error;
      await pause(BEFORE_REPEAT_MS, asked.signal);
      return this.ask(uri, asked);
    }
  }

  /**
   * Follow relations, one after the other, from the root.
   *
   * @param {...string} rels
   */
  async follow(...rels) {
    let at = await this.root();
    for (const rel of rels) at = await this.get(linkOf(at, rel));
    return at;
  }

  /**
   * Yield the pages of a collection. Each is read when it is needed.
   *
   * @param {Resource | string} first
   * @returns {AsyncGenerator<Resource, void, void>}
   */
  async *pages(first) {
    let page = typeof first === "string" ? await this.get(first) : first;
    const seen = new Set();
    for (;;) {
      yield page;
      const next = page.link("next");
      const known = page.items.every(({ uri }) => seen.has(uri));
      if (!next || known) return; // edited items would come again without end
      for (const { uri } of page.items) if (uri) seen.add(uri);
      page = await this.get(next);
    }
  }

  /**
   * Yield the items of a collection, from a page on, each once. Items may change meanwhile: no item
   * that existed all along is missed, and the iteration ends.
   *
   * Items that came before, or were created since, are left out. When the sort order can change, the
   * items that changed meanwhile are read once more by creation, which never changes.
   *
   * @param {Resource | string} first
   * @returns {AsyncGenerator<Resource, void, void>}
   */
  async *items(first) {
    const start = typeof first === "string" ? await this.get(first) : first;
    const template = [start.document._links?.search].flat()[0]?.href ?? "";
    const names = /\{\?([^}]*)\}/.exec(template)?.[1]?.replaceAll("*", "").split(",") ?? [];
    const asked = new URL(start.uri || this.rootUri).searchParams;
    /** @param {Json} changes */
    const search = (changes) => {
      const kept = names.filter((name) => name !== "total" && asked.has(name)).map((name) => [name, asked.getAll(name)]);
      return expand(template, { ...Object.fromEntries(kept), ...changes });
    };
    const seen = new Set();
    let newest = Infinity;
    /** @param {Resource} item */
    const isNew = (item) => instant(item, "created_at") > newest;
    /** @param {Resource} page */
    const fresh = (page) => page.items.filter((item) => {
      if (seen.has(item.uri) || isNew(item)) return false;
      if (item.uri) seen.add(item.uri);
      return true;
    });
    let page = start;
    for (let found = fresh(page); found.length; found = fresh(page)) {
      yield* found;
      const next = page.link("next");
      if (!next) break;
      if (page === start && names.includes("sort")) newest = await this.#newest(search({ sort: "-created_at", limit: 1 }));
      page = await this.get(next);
    }
    const sorted = /^-?created_at$/.test(asked.get("sort") ?? "created_at");
    if (page === start || sorted || newest === Infinity || asked.has("cursor") || asked.has("offset")) return;
    const changed = Math.max(...start.items.map((item) => instant(item, "updated_at"))) - CLOCKS_DIFFER_MS;
    const since = changed > -Infinity && !asked.has("updated_after") ? { updated_after: new Date(changed).toISOString() } : {};
    for (let uri = search({ sort: "created_at", limit: 100, ...since }); ;) {
      const page = await this.get(uri);
      yield* fresh(page);
      const next = page.link("next");
      const last = page.items.at(-1);
      if (!next || (last && isNew(last))) return;
      uri = next;
    }
  }

  /** The creation time of the newest item; Infinity when it is not known. @param {string} uri */
  async #newest(uri) {
    try {
      const { items } = await this.get(uri);
      const times = items.map((item) => instant(item, "created_at"));
      return times.includes(-Infinity) ? Infinity : Math.max(...times);
    } catch (error) {
      if (error instanceof Refused) return Infinity; // the server does not sort by creation
      throw error;
    }
  }

  // -- writing

  /**
   * Send a form with some values. Other fields are not sent, unless they are required and have a value.
   *
   * @param {Form} form
   * @param {Json} [values]
   * @param {Sending} [sending]
   * @returns {Promise<Resource | null>} null for a reply without content
   */
  async submit(form, values = {}, { ifMatch, action, anonymous } = {}) {
    const filled = fill(form, values);
    if (form.method === "GET") return this.get(withQuery(form.target, filled), { anonymous });
    /** @type {Record<string, string>} */
    const headers = {};
    if (ifMatch) headers["If-Match"] = ifMatch;
    // A repeated request, after a lost reply or a second click, takes effect once.
    if (form.method === "POST" && !anonymous) headers["Idempotency-Key"] = action ?? newKey();
    const encoded = form.contentType === FORM_ENCODED;
    headers["Content-Type"] = encoded ? FORM_ENCODED : "application/json";
    const body = encoded ? query(filled) : JSON.stringify(filled);
    const asked = { method: form.method, headers, body, anonymous };
    return this.#written(form.target, asked, "Idempotency-Key" in headers ? 1 : 0);
  }

  /**
   * Create or replace a resource at a URI, which may contain an id of this client.
   *
   * @param {string} uri
   * @param {Json} body
   * @param {{ifMatch?: string | null, create?: boolean}} [options]
   */
  put(uri, body, { ifMatch, create } = {}) {
    /** @type {Record<string, string>} */
    const headers = { "Content-Type": "application/json" };
    if (create) headers["If-None-Match"] = "*";
    else if (ifMatch) headers["If-Match"] = ifMatch;
    return this.#written(uri, { method: "PUT", headers, body: JSON.stringify(body) });
  }

  /** @param {string} uri @param {string | null} [ifMatch] */
  delete(uri, ifMatch) {
    return this.#written(uri, { method: "DELETE", headers: ifMatch ? { "If-Match": ifMatch } : {} });
  }

  /**
   * Move a task or list in the order by hand (`sort=position`). Its neighbours keep their versions.
   *
   * @param {Resource} resource with its forms
   * @param {Resource | string | null} [after] the resource to stand behind, or its URI; by default the front
   * @returns {Promise<Resource | null>} the moved resource
   */
  move(resource, after = null) {
    const after_uri = after instanceof Resource ? after.uri : after;
    return this.submit(formOf(resource, "move"), { after_uri }, { ifMatch: resource.etag });
  }

  /**
   * Undo a change: everything that the request changed is put back. To make the change again, undo the
   * result. A later change of the same resources is refused (409 `changed-since`).
   *
   * @param {Resource | string | null} [change] its result or its `undo` link; by default the last change
   * @returns {Promise<Resource | null>} with the member `count`
   */
  undo(change = this.lastUndo) {
    const uri = typeof change === "string" ? change : change?.undo;
    if (!uri) throw new TypeError("There is nothing to undo: this is not the result of a change.");
    return this.#written(uri, { method: "POST", headers: { "Idempotency-Key": newKey() } }, 1);
  }

  /** @param {string} uri @param {Asked} asked @param {number} again @returns {Promise<Resource | null>} */
  async #written(uri, asked, again = 0) {
    try {
      const response = await this.ask(uri, asked);
      const undo = undoOf(response);
      this.lastUndo = undo ?? this.lastUndo;
      return response.status === 204 ? null : new Resource(await json(response), response.headers.get("ETag"), undo);
    } catch (error) {
      if (error instanceof Problem && error.status === 428 && !asked.headers?.["If-Match"]) {
        // The caller accepts any version, and this server requires one: send the current ETag.
        const { etag } = await this.get(uri);
        if (etag) return this.#written(uri, { ...asked, headers: { ...asked.headers, "If-Match": etag } }, again);
      }
      if (!again || !(error instanceof Unreachable)) throw error;
      await pause(BEFORE_REPEAT_MS);
      return this.#written(uri, asked, again - 1);
    }
  }

  // -- signing in and out

  /**
   * Sign in with a user name and a password.
   *
   * @param {Json} credentials
   */
  async signIn(credentials) {
    const tokens = await this.#tokensOfNobody();
    const made = await this.submit(formOf(tokens, "login"), credentials, { anonymous: true });
    this.#keep(/** @type {Resource} */ (made));
  }

  /**
   * Prepare a sign-in on the server's own page, so that the app sees no password (OAuth 2.1 with PKCE). Keep
   * the result, for example in sessionStorage, and send the browser to its `page`.
   *
   * @param {{client_id: string, redirect_uri: string, scope?: string}} app as the operator registered it
   * @returns {Promise<Authorization>}
   */
  async authorization({ client_id, redirect_uri, scope }) {
    const page = new URL(linkOf(await this.root({ anonymous: true }), "authorize"));
    this.#checkOrigin(page.href);
    const [verifier, state] = [randomText(), randomText()];
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
    const asked = { response_type: "code", client_id, redirect_uri, state, code_challenge_method: "S256" };
    for (const [name, value] of Object.entries(asked)) page.searchParams.set(name, value);
    page.searchParams.set("code_challenge", inBase64Url(new Uint8Array(digest)));
    if (scope) page.searchParams.set("scope", scope);
    return { page: page.href, client_id, redirect_uri, verifier, state };
  }

  /**
   * Sign in with the answer of the server's page.
   *
   * @param {string} answer the URI that the browser came back to
   * @param {Authorization} asked
   */
  async signInWithAnswer(answer, asked) {
    const told = new URL(answer).searchParams;
    const issuer = told.get("iss") ?? "";
    if (told.get("state") !== asked.state || !issuer || !asked.page.startsWith(`${issuer}/`)) {
      throw new ApiError("This is not the answer to your sign-in. Please start again.");
    }
    if (!told.get("code")) {
      const denied = told.get("error") === "access_denied";
      throw new ApiError(denied ? "You denied the access." : `The server refused: ${told.get("error_description") ?? told.get("error")}.`);
    }
    const { client_id, redirect_uri, verifier } = asked;
    const body = new URLSearchParams({
      grant_type: "authorization_code", code: told.get("code") ?? "", client_id, redirect_uri, code_verifier: verifier,
    });
    const tokens = linkOf(await this.root({ anonymous: true }), "tokens");
    const headers = { Accept: "application/json", "Content-Type": FORM_ENCODED };
    const made = await json(await this.ask(tokens, { method: "POST", headers, body: `${body}`, anonymous: true }));
    this.#keep(new Resource({ ...made, _links: { self: { href: made.uri } } }));
  }

  /** @param {Json} details */
  async register(details) {
    const root = await this.root({ anonymous: true });
    const users = await this.get(linkOf(root, "users"), { anonymous: true });
    await this.submit(formOf(users, "register"), details, { anonymous: true });
  }

  /** Sign in with an existing token. @param {string} token */
  async signInWithToken(token) {
    // The token is tried before it is stored, so an invalid one does not end the session.
    const read = async (/** @type {string} */ uri) => new Resource(await json(await this.ask(uri, { token })));
    const tokens = await read(linkOf(await read(this.rootUri), "tokens"));
    const own = tokens.items.find((item) => item.get("current"));
    const ends = Date.parse(own?.get("expires_at") ?? "");
    this.sessions.write({ access_token: token, ends, uri: own?.uri ?? "" });
  }

  /** End this session, here and on the server. */
  async signOut() {
    const { session } = this;
    if (session?.uri) {
      const own = await this.get(session.uri);
      await this.submit(formOf(own, "revoke"));
    }
    this.forget();
  }

  /** End every session of this user. */
  async signOutEverywhere() {
    await this.submit(formOf(await this.follow("tokens"), "revoke"));
    this.forget();
  }

  async #tokensOfNobody() {
    const root = await this.root({ anonymous: true });
    return this.get(linkOf(root, "tokens"), { anonymous: true });
  }

  /** @param {Resource} made */
  #keep(made) {
    this.#checkOrigin(made.uri);
    /** @type {Session} */
    const session = {
      access_token: made.get("access_token"),
      ends: Date.now() + 1000 * made.get("expires_in"),
      life: 1000 * made.get("expires_in"),
      uri: made.uri,
    };
    if (made.get("refresh_token")) session.refresh_token = made.get("refresh_token");
    if (made.get("client_id")) session.client_id = made.get("client_id");
    this.sessions.write(session);
    return session;
  }

  /** Delete the session here, without a request. @param {Problem} [reason] */
  forget(reason) {
    this.sessions.write(null);
    this.seen.clear();
    this.dispatchEvent(new CustomEvent("signed-out", { detail: reason }));
  }

  /**
   * Refresh the session. One tab does it, and the others use its tokens: a refresh token that is used
   * twice counts as stolen.
   *
   * @param {Session} used the session whose token expires or has expired
   * @param {SignedOut} [reason] the server's reply to it
   * @returns {Promise<Session>}
   */
  async #renew(used, reason) {
    return exclusively("hyperapi.refresh", async () => {
      const now = this.session;
      if (now && now.access_token !== used.access_token) return now;
      if (now?.refresh_token) {
        try {
          const form = formOf(await this.#tokensOfNobody(), "refresh");
          const { refresh_token, client_id } = now;
          const made = await this.submit(form, { refresh_token, ...(client_id && { client_id }) }, { anonymous: true });
          return this.#keep(/** @type {Resource} */ (made));
        } catch (error) {
          // A server that is down does not end the session.
          if (!(error instanceof SignedOut || error instanceof Refused)) throw error;
          reason = error instanceof SignedOut ? error : reason;
        }
      }
      if (now) this.forget(reason);
      throw reason ?? new SignedOut(401, { detail: "Your session has ended." }, new Headers());
    });
  }

  // -- requests and replies

  /**
   * Send a request with the session's token.
   *
   * @param {string} uri
   * @param {Asked} asked
   * @returns {Promise<Response>} a successful reply, or 304
   */
  async ask(uri, asked = {}) {
    /** @type {Session | null} */
    let session = asked.anonymous ? null : this.session;
    if (asked.token) session = { access_token: asked.token, ends: Infinity, uri: "" };
    if (session?.refresh_token && session.ends - Date.now() < Math.min(RENEW_BEFORE_MS, (session.life ?? Infinity) / 5)) {
      session = await this.#renew(session);
    }
    for (let tries = 0; ; tries++) {
      const response = await this.#exchange(uri, asked, session);
      if (response.ok || response.status === 304) return response;
      const problem = await problemOf(response);
      if (!(problem instanceof SignedOut) || !session || asked.token || tries) throw problem;
      session = await this.#renew(session, problem);
    }
  }

  /** @param {string} uri @param {Asked} asked @param {Session | null} session */
  async #exchange(uri, asked, session) {
    this.#checkOrigin(uri);
    const headers = new Headers({ Accept: HAL_FORMS, ...asked.headers });
    if (session) headers.set("Authorization", `Bearer ${session.access_token}`);
    const slow = new AbortController();
    const timer = setTimeout(() => slow.abort(), this.timeout);
    const signals = [slow.signal, asked.signal ?? []].flat();
    try {
      const response = await this.#redirected(uri, {
        method: asked.method ?? "GET",
        headers,
        body: asked.body ?? null,
        credentials: "omit",
        referrerPolicy: "no-referrer",
        cache: "no-store", // this client has its own cache with ETags
        signal: AbortSignal.any(signals),
      });
      if (asked.endless) return response;
      // Read the body here, to notice a connection that breaks.
      const body = response.status === 204 || response.status === 304 ? null : await response.arrayBuffer();
      return new Response(body, response);
    } catch (error) {
      if (asked.signal?.aborted || error instanceof ApiError) throw error;
      throw new Unreachable(error, slow.signal.aborted);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Send a request, and follow redirects of a GET within the origin. A browser hides the target of
   * a redirect until it has followed it, so a request without the token finds the target.
   *
   * @param {string} uri @param {RequestInit} init
   * @returns {Promise<Response>}
   */
  async #redirected(uri, init) {
    const response = await this.fetch(uri, { ...init, redirect: "manual" });
    if (response.type !== "opaqueredirect" && !REDIRECTS.includes(response.status)) return response;
    if (init.method !== "GET") throw new ApiError(`${uri} has moved: nothing was sent after it.`);
    const { credentials, referrerPolicy, cache, signal } = init;
    const found = await this.fetch(uri, { credentials, referrerPolicy, cache, signal, redirect: "follow" });
    found.body?.cancel().catch(() => {});
    this.#checkOrigin(found.url);
    return this.fetch(found.url, { ...init, redirect: "error" });
  }

  // -- the feed of changes

  /**
   * Yield changes as they happen, until `signal` ends it: from a stream, or by polling where streams
   * do not arrive. A reader that starts from its last position misses nothing and gets nothing twice.
   *
   * @param {{since?: Position | undefined, signal: AbortSignal, stream?: boolean}} options
   * @returns {AsyncGenerator<News, void, void>}
   */
  async *changes({ since, signal, stream = true }) {
    /** @type {Position | undefined} */
    let at = since;
    let failed = 0;
    let polling = 0; // until when
    while (!signal.aborted) {
      const streaming = stream && Date.now() > polling;
      try {
        at ??= { uri: linkOf(await this.root(), "changes") };
        const heard = streaming ? this.#streamed(at, signal) : this.#polled(at, signal, stream ? polling : Infinity);
        for await (const news of heard) {
          failed = 0;
          if (news.position) at = news.position;
          if (news.kind === "resync") at = undefined;
          yield news;
          if (news.kind === "resync") break;
        }
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof SignedOut || error instanceof ForeignOrigin) throw error;
        if (error instanceof NotStreaming) {
          stream = false;
          continue;
        }
        if (error instanceof Later && streaming) {
          polling = Date.now() + NO_STREAM_MS; // the server has no room for another stream
          continue;
        }
        if (error instanceof Missing) {
          at = undefined; // the position is too old: read everything again
          yield { kind: "resync" };
          continue;
        }
        failed++;
        yield { kind: "waiting", reachable: error instanceof Problem };
        const asked = error instanceof Problem ? error.retryAfter : null;
        await pause(asked ? asked * 1000 : Math.min(15_000, 500 * 2 ** failed) * (0.75 + Math.random() / 2), signal);
      }
    }
  }

  /** @param {Position} at @param {AbortSignal} signal @returns {AsyncGenerator<News, void, void>} */
  async *#streamed(at, signal) {
    const headers = { Accept: EVENTS, ...(at.id ? { "Last-Event-ID": at.id } : {}) };
    const response = await this.ask(at.uri, { headers, signal, endless: true });
    const type = response.headers.get("Content-Type") ?? "";
    if (!response.body || !type.startsWith(EVENTS)) throw new NotStreaming();
    yield { kind: "live" };
    for await (const event of events(response.body, signal)) {
      if (event.event === "resync") yield { kind: "resync" };
      if (event.event !== "change") continue;
      yield { kind: "change", change: JSON.parse(event.data), position: { uri: at.uri, id: event.id } };
    }
  }

  /**
   * @param {Position} at @param {AbortSignal} signal @param {number} until
   * @returns {AsyncGenerator<News, void, void>}
   */
  async *#polled(at, signal, until) {
    /** @type {Record<string, string>} */
    let headers = at.id ? { "Last-Event-ID": at.id } : {};
    for (let uri = at.uri; !signal.aborted && Date.now() < until; headers = { Prefer: `wait=${POLL_SECONDS}` }) {
      const response = await this.ask(uri, { headers: { Accept: "application/json", ...headers }, signal });
      const page = await json(response);
      uri = page.next_uri;
      yield { kind: "live", position: { uri } };
      for (const change of page.changes) yield { kind: "change", change };
      yield { kind: "live", position: { uri } };
      if (!page.changes.length) await pause(1000, signal); // the server ignores Prefer
    }
  }
}

/** A member as an instant in milliseconds since 1970; -Infinity without one. @param {Resource} item @param {string} name */
function instant(item, name) {
  const parsed = Date.parse(item.get(name));
  return Number.isNaN(parsed) ? -Infinity : parsed;
}

/** Scheme, host and port of a URI (RFC 6454). @param {string} uri */
function originOf(uri) {
  try {
    return new URL(uri).origin;
  } catch (cause) {
    throw new ApiError(`${JSON.stringify(uri)} is not an absolute URI.`, { cause });
  }
}

/** The reply is not a stream. */
class NotStreaming extends ApiError {}

/**
 * Yield the events of a stream (WHATWG HTML, 9.2). It is read with fetch, since EventSource sends no token.
 *
 * @param {ReadableStream<Uint8Array>} body
 * @param {AbortSignal} signal
 * @param {number} silence
 */
export async function* events(body, signal, silence = SILENCE_MS) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let event = { event: "message", data: "", id: "" };
  try {
    for (;;) {
      const read = reader.read();
      read.catch(() => {}); // it may fail after the timeout
      const patience = new AbortController();
      const chunk = await Promise.race([read, pause(silence, AbortSignal.any([signal, patience.signal]))]);
      patience.abort();
      if (signal.aborted) return;
      if (!chunk) throw new Unreachable(null, true);
      if (chunk.done) return;
      text += decoder.decode(chunk.value, { stream: true });
      const lines = text.split(/\r\n|\n|\r(?!$)/);
      text = lines.pop() ?? "";
      for (const line of lines) {
        if (line === "") {
          if (event.data) yield { ...event, data: event.data.slice(0, -1) };
          event = { event: "message", data: "", id: event.id };
          continue;
        }
        const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
        if (field === "event") event.event = value ?? "";
        else if (field === "data") event.data += `${value}\n`;
        else if (field === "id") event.id = value ?? "";
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** @param {Response} response @returns {Promise<Json>} */
async function json(response) {
  try {
    return await response.json();
  } catch (error) {
    throw new Unreachable(error);
  }
}

/** @param {Resource} resource @param {string} rel */
function linkOf(resource, rel) {
  const uri = resource.link(rel);
  if (!uri) throw new ApiError(`The server offers no link "${rel}" here.`);
  return uri;
}

/** @param {Resource} resource @param {string} name */
function formOf(resource, name) {
  const form = resource.form(name);
  if (!form) throw new ApiError(`The server offers no form "${name}" here.`);
  return form;
}

/**
 * The values to send: those given, and the values of required fields. Others are not sent, so that
 * changes of others are not overwritten.
 *
 * @param {Form} form
 * @param {Json} values
 * @returns {Json}
 */
function fill(form, values) {
  /** @type {Json} */
  const filled = {};
  for (const field of form.properties) {
    if (field.name in values) filled[field.name] = values[field.name];
    else if (field.required && field.value !== undefined) filled[field.name] = field.value;
  }
  return filled;
}

const MANY_MARKS = /\p{M}{31}/u;

/**
 * Text in the normal form that the server stores (NFC). The time of normalization grows with the square
 * of a run of combining marks, so text with a long run, which the server refuses, is returned unchanged.
 *
 * @param {string} text
 */
export function normal(text) {
  return MANY_MARKS.test(text) ? text : text.normalize("NFC");
}

/**
 * The errors that a form can find in values before they are sent, for use without a network.
 *
 * @param {Form} form
 * @param {Json} values
 * @returns {[name: string, detail: string][]}
 */
export function flaws(form, values) {
  /** @type {[string, string][]} */
  const found = [];
  for (const { name, required, minLength = 0, maxLength = Infinity } of form.properties) {
    for (const value of [values[name] ?? []].flat()) {
      if (MANY_MARKS.test(String(value))) found.push([name, "must not have more than 30 combining marks in a row"]);
      const length = [...normal(String(value))].length; // in code points, as the server counts
      if (length < Math.max(minLength, required ? 1 : 0)) found.push([name, length ? `must not be shorter than ${minLength} characters` : "must not be empty"]);
      if (length > maxLength) found.push([name, `must not be longer than ${maxLength} characters`]);
    }
  }
  return found;
}

/** @param {Json} values */
function query(values) {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    const all = [value].flat();
    // An empty list is its name without a value.
    for (const each of all.length ? all : [""]) pairs.append(name, each === null || each === undefined ? "" : String(each));
  }
  return pairs.toString();
}

/** @param {string} target @param {Json} values */
function withQuery(target, values) {
  const uri = new URL(target);
  uri.search = query(values); // a GET form replaces the query
  return uri.href;
}

// --------------------------------------------------------------------------------- offline queue

/**
 * @typedef {object} Write a write that waits to be sent
 * @property {number} [id] its place in the queue
 * @property {string} owner the URI of its user
 * @property {string} [kind] of the resource, for display
 * @property {"PUT" | "DELETE"} method
 * @property {string} uri
 * @property {Json} [body] the whole resource, as PUT accepts it
 * @property {string[]} [touched] the members that the user changed
 * @property {Base} base the version that it changes
 * @property {string} label the name for display
 * @property {"waiting" | "conflict" | "failed"} state
 * @property {Json} [current] at a conflict: the current resource
 * @property {string | null} [etag] its ETag
 * @property {string} [reason] why it failed
 * @property {[name: string, detail: string][]} [fields] the errors of its members
 *
 * @typedef {{kind: "new"} | {kind: "tag", etag: string} | {kind: "seen", updated_at: string} |
 *   {kind: "after"} | {kind: "any"}} Base
 * "after" is the write before this one to the same URI, in this queue
 *
 * @typedef {object} WriteStore
 * @property {() => Promise<Write[]>} all in the order of their ids
 * @property {(write: Write) => Promise<number>} add
 * @property {(changed: Write[], gone: number[]) => Promise<void>} update all or nothing
 */

/** A queue in memory. @implements {WriteStore} */
export class MemoryWrites {
  constructor() {
    /** @type {Map<number, Write>} */
    this.kept = new Map();
    this.last = 0;
    this.lasting = false;
  }

  async all() {
    return [...this.kept.values()].map((write) => structuredClone(write));
  }

  /** @param {Write} write */
  async add(write) {
    this.kept.set(++this.last, structuredClone({ ...write, id: this.last }));
    return this.last;
  }

  /** @param {Write[]} changed @param {number[]} gone */
  async update(changed, gone) {
    for (const write of changed) {
      if (write.id !== undefined && this.kept.has(write.id)) this.kept.set(write.id, structuredClone(write));
    }
    for (const id of gone) this.kept.delete(id);
  }
}

/** A queue in IndexedDB, for all tabs. It outlasts a reload. @implements {WriteStore} */
export class LastingWrites {
  /** @param {IDBDatabase} database */
  constructor(database) {
    this.database = database;
    this.lasting = true;
  }

  /**
   * Open the queue of this browser, or one in memory where storage is not allowed.
   *
   * @param {string} name
   * @returns {Promise<WriteStore & {lasting: boolean}>}
   */
  static async open(name = "hyperapi.outbox") {
    try {
      const opening = indexedDB.open(name, 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore("writes", { keyPath: "id", autoIncrement: true });
      return new LastingWrites(await settled(opening));
    } catch {
      return new MemoryWrites();
    }
  }

  /** @returns {Promise<Write[]>} */
  async all() {
    return settled(this.database.transaction("writes").objectStore("writes").getAll());
  }

  /** @param {Write} write */
  async add(write) {
    const transaction = this.database.transaction("writes", "readwrite");
    const key = await settled(transaction.objectStore("writes").add(write));
    await committed(transaction);
    return Number(key);
  }

  /** @param {Write[]} changed @param {number[]} gone */
  async update(changed, gone) {
    const transaction = this.database.transaction("writes", "readwrite");
    const writes = transaction.objectStore("writes");
    for (const write of changed) writes.put(write);
    for (const id of gone) writes.delete(id);
    await committed(transaction);
  }
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** @param {IDBTransaction} transaction @returns {Promise<void>} */
function committed(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

/**
 * Writes that wait for the network. They are sent in order.
 *
 * Each is a conditional PUT or DELETE at a known URI. So a write whose reply was lost has no effect
 * when it is sent again. A conflict stops the writes to the same URI until the user decides. Other
 * writes continue.
 *
 * Events: `changed` after a change of the queue, `sent` (detail `{write, resource}`) after each write.
 */
export class Outbox extends EventTarget {
  /** @param {Client} client @param {WriteStore} store */
  constructor(client, store) {
    super();
    this.client = client;
    this.store = store;
    /** @type {Promise<void> | null} */
    this.replaying = null;
    this.again = false;
  }

  /** The writes of a user. @param {string} owner */
  async waiting(owner) {
    return (await this.store.all()).filter((write) => write.owner === owner);
  }

  /**
   * Add a write.
   *
   * @param {Omit<Write, "id" | "state"> & {state?: Write["state"]}} write in the state `waiting`,
   *   or `conflict` when the conflict is known already
   * @returns {Promise<number>} its id
   */
  async add(write) {
    const before = (await this.store.all()).some((other) => other.owner === write.owner && other.uri === write.uri);
    const base = before ? { kind: /** @type {const} */ ("after") } : write.base;
    const id = await this.store.add({ state: "waiting", ...write, base });
    this.#changed();
    return id;
  }

  /** Discard the writes to a URI. @param {string} owner @param {string} uri */
  async discard(owner, uri) {
    const gone = (await this.waiting(owner)).filter((write) => write.uri === uri);
    await this.store.update([], gone.map((write) => write.id ?? 0));
    this.#changed();
  }

  /** Discard all writes of a user. @param {string} owner */
  async forget(owner) {
    const gone = await this.waiting(owner);
    await this.store.update([], gone.map((write) => write.id ?? 0));
    this.#changed();
  }

  /**
   * Send a write again. One in conflict is applied to the current resource: the changed members, and the
   * others as they are there. Later writes to the same URI follow it.
   *
   * @param {Write} write
   */
  async insist(write) {
    const base = write.state === "conflict"
      ? write.etag ? { kind: /** @type {const} */ ("tag"), etag: write.etag } : { kind: /** @type {const} */ ("new") }
      : write.base;
    const { current, etag: _etag, reason: _reason, fields: _fields, ...rest } = write;
    await this.store.update([{ ...over(rest, current), base, state: "waiting" }], []);
    this.#changed();
  }

  /**
   * Send the waiting writes. One tab does so at a time.
   *
   * @param {string} owner
   * @returns {Promise<void>} rejected when the server is down or asks to wait
   */
  replay(owner) {
    this.again = true; // writes that are added meanwhile are sent too
    this.replaying ??= exclusively("hyperapi.outbox", async () => {
      while (this.again) {
        this.again = false;
        await this.#replay(owner);
      }
    }).finally(() => {
      this.replaying = null;
    });
    return this.replaying;
  }

  /** @param {string} owner */
  async #replay(owner) {
    for (;;) {
      const writes = await this.waiting(owner);
      const stopped = new Set(writes.filter((write) => write.state !== "waiting").map((write) => write.uri));
      const write = writes.find((each) => !stopped.has(each.uri));
      if (!write) return;
      await this.#send(write);
    }
  }

  /** @param {Write} write */
  async #send(write) {
    const id = write.id ?? 0;
    try {
      const resource = await this.#attempt(write);
      const etag = resource?.etag;
      /** @type {Base} */
      const base = etag ? { kind: "tag", etag } : write.method === "DELETE" ? { kind: "new" } : { kind: "any" };
      const others = await this.waiting(write.owner); // some may have been added meanwhile
      const following = others.find((other) => other.uri === write.uri && other.id !== id);
      const next = following?.base.kind === "after" ? [{ ...over(following, resource?.document), base }] : [];
      await this.store.update(next, [id]);
      this.dispatchEvent(new CustomEvent("sent", { detail: { write, resource } }));
    } catch (error) {
      // Another device deleted the resource.
      if (error instanceof Conflict || (error instanceof Missing && write.base.kind !== "new")) {
        const { document, etag } = (error instanceof Conflict && error.current) || { document: null, etag: null };
        await this.store.update([{ ...write, state: "conflict", ...(document ? { current: document } : {}), etag }], []);
      } else if (isLasting(error)) {
        const fields = error instanceof Problem ? [...error.fields] : [];
        const said = fields.map(([name, detail]) => `${name} ${detail}`).join("; ");
        await this.store.update([{ ...write, state: "failed", reason: said || error.message, fields }], []);
      } else {
        throw error; // the server is down or asks to wait: keep the write
      }
    } finally {
      this.#changed();
    }
  }

  /** @param {Write} write @returns {Promise<Resource | null>} */
  async #attempt(write) {
    try {
      const etag = await this.#condition(write);
      if (write.method === "DELETE") return await this.client.delete(write.uri, etag);
      return await this.client.put(write.uri, write.body ?? {}, { ifMatch: etag, create: write.base.kind === "new" });
    } catch (error) {
      if (write.method === "DELETE" && error instanceof Missing) return null;
      // It arrived before and its reply was lost, or another device did the same.
      if (error instanceof Conflict && error.current && write.method === "PUT" && agrees(error.current, write)) {
        return error.current;
      }
      throw error;
    }
  }

  /** The ETag for the condition of a write. @param {Write} write @returns {Promise<string | null>} */
  async #condition({ base, uri }) {
    if (base.kind === "tag") return base.etag;
    if (base.kind !== "seen") return null;
    const now = await this.client.get(uri);
    if (now.get("updated_at") === base.updated_at) return now.etag;
    const headers = new Headers(now.etag ? { ETag: now.etag } : {});
    throw new Conflict(412, { current: now.document, detail: "It has changed since you last saw it." }, headers);
  }

  #changed() {
    this.dispatchEvent(new Event("changed"));
  }
}

/**
 * Tell whether the same write would fail again.
 *
 * @param {unknown} error
 * @returns {error is Problem | ForeignOrigin}
 */
function isLasting(error) {
  if (error instanceof ForeignOrigin) return true;
  return error instanceof Problem && !(error instanceof Later || error instanceof Broken || error instanceof SignedOut);
}

/**
 * Apply a write to the current resource: its changed members, and the others as they are there.
 *
 * @template {Pick<Write, "body" | "touched">} W
 * @param {W} write
 * @param {Json} [theirs]
 * @returns {W}
 */
function over(write, theirs) {
  const { body, touched } = write;
  if (!body || !touched || !theirs) return write;
  const members = Object.entries(body).map(([name, mine]) => [name, touched.includes(name) ? mine : theirs[name]]);
  return { ...write, body: Object.fromEntries(members) };
}

/**
 * Tell whether a resource has the written values.
 *
 * @param {Resource} resource
 * @param {Json} body
 */
export function holds(resource, body) {
  return Object.entries(body).every(([name, value]) => same(resource.get(name), value));
}

/** @param {Resource} resource @param {Write} write */
function agrees(resource, { body = {}, touched = Object.keys(body) }) {
  return holds(resource, Object.fromEntries(touched.map((name) => [name, body[name]])));
}

/** Compare two values of a member. The order of tags and the spelling of instants do not matter. @param {any} one @param {any} other */
export function same(one, other) {
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && [...one].sort().every((each, at) => each === [...other].sort()[at]);
  }
  if (one === other) return true;
  const instant = /^\d{4}-\d\d-\d\d[Tt]/;
  return instant.test(one) && instant.test(other) && Date.parse(one) === Date.parse(other);
}
