/**
 * Expand a URI template, as far as the service uses them (RFC 6570: `{x}` and `{?x,y*}`).
 *
 * @param {string} template
 * @param {Json} values
 */
export function expand(template: string, values: Json): string;
/** A new key for something that this client names: a UUID of version 7. */
export function newKey(): string;
/**
 * Do some work while no other tab does the same: with Web Locks, or a lease in local storage.
 *
 * @template T
 * @param {string} name
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export function exclusively<T>(name: string, work: () => Promise<T>): Promise<T>;
/** @param {number} ms @param {AbortSignal} [signal] @returns {Promise<void>} */
export function pause(ms: number, signal?: AbortSignal): Promise<void>;
/**
 * The events of a stream (WHATWG HTML, 9.2), read with fetch because an EventSource sends no token.
 *
 * @param {ReadableStream<Uint8Array>} body
 * @param {AbortSignal} signal
 * @param {number} silence
 */
export function events(body: ReadableStream<Uint8Array>, signal: AbortSignal, silence?: number): AsyncGenerator<{
    data: string;
    event: string;
    id: string;
}, void, unknown>;
/**
 * Text in the normal form that the server keeps. The time that normalization takes grows with the
 * square of a run of combining marks, so text with a long run, which the server refuses, stays as it is.
 *
 * @param {string} text
 */
export function normal(text: string): string;
/**
 * What a form can tell to be wrong with some values before they are sent. The server has the last
 * word; this is for when it cannot be asked.
 *
 * @param {Form} form
 * @param {Json} values
 * @returns {[name: string, detail: string][]}
 */
export function flaws(form: Form, values: Json): [name: string, detail: string][];
/**
 * Does a resource hold what was to be written?
 *
 * @param {Resource} resource
 * @param {Json} body
 */
export function holds(resource: Resource, body: Json): boolean;
/** Are two values of a member the same? Tags are a set, and instants have many spellings. @param {any} one @param {any} other */
export function same(one: any, other: any): boolean;
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
 * @property {number} ends when the access token ends, in milliseconds since 1970
 * @property {number} [life] how long it lives, in milliseconds
 * @property {string} uri the session's own URI
 */
/** Whatever kept a request from being answered as hoped. */
export class ApiError extends Error {
}
/** There was no reply: the network, the server, or the browser's patience is at its end. */
export class Unreachable extends ApiError {
    /** @param {unknown} cause @param {boolean} slow was it given up, rather than refused? */
    constructor(cause: unknown, slow?: boolean);
    slow: boolean;
}
/**
 * A link, a form, a redirect or a stored session leads to another origin than that of the client's
 * root. Nothing of the user's was sent there.
 */
export class ForeignOrigin extends ApiError {
    /** @param {string} origin the root's @param {string} other */
    constructor(origin: string, other: string);
    origin: string;
    other: string;
}
/** The server said no, in a problem document (RFC 9457). */
export class Problem extends ApiError {
    /**
     * @param {number} status
     * @param {Json} document
     * @param {Headers} headers
     */
    constructor(status: number, document: Json, headers: Headers);
    status: number;
    document: Json;
    retryAfter: number | null;
    /** What is wrong with each member or parameter, by its name. @returns {Map<string, string>} */
    get fields(): Map<string, string>;
}
/** Something in what was sent is not valid: 400, 409 or 422. */
export class Refused extends Problem {
}
/** 401: nobody is signed in, or no longer. */
export class SignedOut extends Problem {
}
/** 403: signed in, and still not allowed to. It is no reason to sign out. */
export class NotAllowed extends Problem {
}
/** 404 or 410. */
export class Missing extends Problem {
}
/** 429 or 503: later. */
export class Later extends Problem {
}
/** 500 and its like. */
export class Broken extends Problem {
}
/** 412: it is not as it was last seen. */
export class Conflict extends Problem {
    /** How it is now. @type {Resource | null} */
    current: Resource | null;
}
/** A thing as the server showed it: members, links, forms, and the items of a collection. */
export class Resource {
    /** @param {Json} document in HAL-FORMS @param {string | null} etag */
    constructor(document: Json, etag?: string | null);
    document: Json;
    etag: string | null;
    /** @type {Resource[]} */
    items: Resource[];
    /** @returns {string} */
    get uri(): string;
    /** The URI behind a relation, or undefined. @param {string} rel @param {Json} [values] */
    link(rel: string, values?: Json): string | undefined;
    /** The form of this name, when the server offers it. @param {string} name @returns {Form | undefined} */
    form(name: string): Form | undefined;
    /** @returns {Form[]} */
    get forms(): Form[];
    /** A member's value. @param {string} name @returns {any} */
    get(name: string): any;
    /** The items of a collection on this page; {@link Client#items} goes on behind it. */
    [Symbol.iterator](): ArrayIterator<Resource>;
}
/** Where a session is kept, for every tab of this origin: in local storage, or in memory. */
export class SessionStore {
    /** @param {string} name */
    constructor(name?: string);
    name: string;
    /** @type {string | null} */
    memory: string | null;
    lasting: boolean;
    /** @returns {Session | null} */
    read(): Session | null;
    /** @param {Session | null} session */
    write(session: Session | null): void;
}
/**
 * @typedef {object} Asked
 * @property {string} [method]
 * @property {Record<string, string>} [headers]
 * @property {string} [body]
 * @property {boolean | undefined} [anonymous] without the token
 * @property {string} [token] with this one, whoever is signed in
 * @property {AbortSignal} [signal]
 * @property {boolean} [endless] a stream, which no timeout ends
 *
 * @typedef {object} Sending
 * @property {string | null} [ifMatch] the ETag of what is being changed
 * @property {string} [action] the user action's key, the same when it is tried again
 * @property {boolean} [anonymous]
 *
 * @typedef {{uri: string, id?: string}} Position where a reader of the feed is
 *
 * @typedef {object} News
 * @property {"change" | "resync" | "live" | "waiting"} kind
 * @property {Json} [change] `{uri, type, deleted, changed_at, resource}`
 * @property {Position} [position] where to go on after it
 * @property {boolean} [reachable] while waiting: was there an answer at all?
 */
/**
 * One user's way to the service. It tells of a session's end (event `signed-out`), also when it was
 * ended in another tab or on another device.
 */
export class Client extends EventTarget {
    /**
     * @param {string} root the URI of the root
     * @param {{sessions?: Pick<SessionStore, "read" | "write">, timeout?: number, fetch?: typeof globalThis.fetch}} [options]
     */
    constructor(root: string, { sessions, timeout, fetch }?: {
        sessions?: Pick<SessionStore, "read" | "write">;
        timeout?: number;
        fetch?: typeof globalThis.fetch;
    });
    rootUri: string;
    sessions: Pick<SessionStore, "write" | "read">;
    timeout: number;
    fetch: typeof fetch;
    /** What was read before, to be asked for conditionally. @type {Map<string, Resource>} */
    seen: Map<string, Resource>;
    get signedIn(): boolean;
    /** The session at the root's origin. One that was kept for another origin is none. @returns {Session | null} */
    get session(): Session | null;
    /** @param {{anonymous?: boolean}} [options] */
    root(options?: {
        anonymous?: boolean;
    }): Promise<Resource>;
    /**
     * Read a resource; if it has not changed since, the server need not send it again.
     *
     * @param {string} uri
     * @param {{anonymous?: boolean | undefined, signal?: AbortSignal}} [options]
     * @returns {Promise<Resource>}
     */
    get(uri: string, options?: {
        anonymous?: boolean | undefined;
        signal?: AbortSignal;
    }): Promise<Resource>;
    /**
     * Read what is behind one relation after the other, from the root.
     *
     * @param {...string} rels
     */
    follow(...rels: string[]): Promise<Resource>;
    /**
     * The pages of a collection, one by one, as they are wanted.
     *
     * @param {Resource | string} first
     * @returns {AsyncGenerator<Resource, void, void>}
     */
    pages(first: Resource | string): AsyncGenerator<Resource, void, void>;
    /**
     * The items of a collection, on a page and those behind it, each once, although items change
     * while they are read: none is missed that was there all along, and it ends.
     *
     * Those that came before or were created since are left out. Where the sort order can change,
     * those that changed meanwhile are read once more in order of their creation, which cannot.
     *
     * @param {Resource | string} first
     * @returns {AsyncGenerator<Resource, void, void>}
     */
    items(first: Resource | string): AsyncGenerator<Resource, void, void>;
    /**
     * Send a form with some values; the fields that are not named keep what they were given with.
     *
     * @param {Form} form
     * @param {Json} [values]
     * @param {Sending} [sending]
     * @returns {Promise<Resource | null>} null when there is nothing left to show
     */
    submit(form: Form, values?: Json, { ifMatch, action, anonymous }?: Sending): Promise<Resource | null>;
    /**
     * Write a whole resource at a URI that this client may have chosen itself.
     *
     * @param {string} uri
     * @param {Json} body
     * @param {{ifMatch?: string | null, create?: boolean}} [options]
     */
    put(uri: string, body: Json, { ifMatch, create }?: {
        ifMatch?: string | null;
        create?: boolean;
    }): Promise<Resource | null>;
    /** @param {string} uri @param {string | null} [ifMatch] */
    delete(uri: string, ifMatch?: string | null): Promise<Resource | null>;
    /**
     * Trade a name and a password for a session.
     *
     * @param {Json} credentials
     */
    signIn(credentials: Json): Promise<void>;
    /** @param {Json} details */
    register(details: Json): Promise<void>;
    /** Go on with a token that was made elsewhere. @param {string} token */
    signInWithToken(token: string): Promise<void>;
    /** End this session, here and on the server. */
    signOut(): Promise<void>;
    /** End every session of this user. */
    signOutEverywhere(): Promise<void>;
    /** Give up the session here, when it is over at the server. @param {Problem} [reason] */
    forget(reason?: Problem): void;
    /**
     * Send a request, with the token when it goes to the service, and have it answered.
     *
     * @param {string} uri
     * @param {Asked} asked
     * @returns {Promise<Response>} one that succeeded, or 304
     */
    ask(uri: string, asked?: Asked): Promise<Response>;
    /**
     * What changes, as it happens, until `signal` ends it: over a stream, or by asking again and
     * again where streams do not come through. Nothing is missed or told twice as long as a reader
     * starts from the position it got with the last news.
     *
     * @param {{since?: Position | undefined, signal: AbortSignal, stream?: boolean}} options
     * @returns {AsyncGenerator<News, void, void>}
     */
    changes({ since, signal, stream }: {
        since?: Position | undefined;
        signal: AbortSignal;
        stream?: boolean;
    }): AsyncGenerator<News, void, void>;
    #private;
}
/**
 * @typedef {object} Write a write that waits to be sent
 * @property {number} [id] its place in the queue
 * @property {string} owner the URI of the user whose it is
 * @property {string} [kind] of what, for those who show it
 * @property {"PUT" | "DELETE"} method
 * @property {string} uri
 * @property {Json} [body] all that is to be there, as PUT takes it
 * @property {string[]} [touched] the members that somebody changed; the others came along
 * @property {Base} base what it was made on
 * @property {string} label what people call it
 * @property {"waiting" | "conflict" | "failed"} state
 * @property {Json} [current] at a conflict: how it is on the server
 * @property {string | null} [etag] and its ETag
 * @property {string} [reason] why it failed
 * @property {[name: string, detail: string][]} [fields] and with which members
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
/** A queue that lives as long as its page. @implements {WriteStore} */
export class MemoryWrites implements WriteStore {
    /** @type {Map<number, Write>} */
    kept: Map<number, Write>;
    last: number;
    lasting: boolean;
    all(): Promise<Write[]>;
    /** @param {Write} write */
    add(write: Write): Promise<number>;
    /** @param {Write[]} changed @param {number[]} gone */
    update(changed: Write[], gone: number[]): Promise<void>;
}
/** A queue in IndexedDB, which all tabs share and no reload empties. @implements {WriteStore} */
export class LastingWrites implements WriteStore {
    /**
     * The queue of this browser, or one in memory where nothing may be kept.
     *
     * @param {string} name
     * @returns {Promise<WriteStore & {lasting: boolean}>}
     */
    static open(name?: string): Promise<WriteStore & {
        lasting: boolean;
    }>;
    /** @param {IDBDatabase} database */
    constructor(database: IDBDatabase);
    database: IDBDatabase;
    lasting: boolean;
    /** @returns {Promise<Write[]>} */
    all(): Promise<Write[]>;
    /** @param {Write} write */
    add(write: Write): Promise<number>;
    /** @param {Write[]} changed @param {number[]} gone */
    update(changed: Write[], gone: number[]): Promise<void>;
}
/**
 * Writes that wait for the network, sent in the order in which they were made.
 *
 * Each is a PUT or DELETE at a URI that is known beforehand, on a condition, so that one that
 * arrived although its reply was lost does nothing when it is sent again. A conflict stops the
 * writes to the same URI until somebody decides; the others go on.
 *
 * Events: `changed` when the queue did, `sent` (detail `{write, resource}`) for each that arrived.
 */
export class Outbox extends EventTarget {
    /** @param {Client} client @param {WriteStore} store */
    constructor(client: Client, store: WriteStore);
    client: Client;
    store: WriteStore;
    /** @type {Promise<void> | null} */
    replaying: Promise<void> | null;
    again: boolean;
    /** What waits, of one user. @param {string} owner */
    waiting(owner: string): Promise<Write[]>;
    /**
     * Keep a write until it is sent.
     *
     * @param {Omit<Write, "id" | "state"> & {state?: Write["state"]}} write in the state `waiting`,
     *   unless the server has said already that it is in conflict
     * @returns {Promise<number>} its id
     */
    add(write: Omit<Write, "id" | "state"> & {
        state?: Write["state"];
    }): Promise<number>;
    /** Give up the writes to a URI. @param {string} owner @param {string} uri */
    discard(owner: string, uri: string): Promise<void>;
    /** Give up all that waits, of one user. @param {string} owner */
    forget(owner: string): Promise<void>;
    /**
     * Send a write after all. One that was in conflict goes over the current state: what was touched
     * here, and the rest as it is there. Later writes to the same URI stay behind it.
     *
     * @param {Write} write
     */
    insist(write: Write): Promise<void>;
    /**
     * Send what waits, as far as it goes; one tab at a time.
     *
     * @param {string} owner
     * @returns {Promise<void>} rejected with what stopped it, unless everything was tried
     */
    replay(owner: string): Promise<void>;
    #private;
}
export type Json = Record<string, any>;
export type Link = {
    href: string;
    templated?: boolean;
};
export type Option = {
    prompt: string;
    value: string;
};
export type Field = {
    name: string;
    prompt?: string | undefined;
    type?: string | undefined;
    required?: boolean | undefined;
    readOnly?: boolean | undefined;
    value?: any;
    regex?: string | undefined;
    min?: number | undefined;
    max?: number | undefined;
    minLength?: number | undefined;
    maxLength?: number | undefined;
    options?: {
        inline?: Option[];
    } | undefined;
};
export type Form = {
    name: string;
    title: string;
    method: string;
    target: string;
    contentType: string;
    properties: Field[];
};
export type Session = {
    access_token: string;
    refresh_token?: string | undefined;
    /**
     * when the access token ends, in milliseconds since 1970
     */
    ends: number;
    /**
     * how long it lives, in milliseconds
     */
    life?: number | undefined;
    /**
     * the session's own URI
     */
    uri: string;
};
export type Asked = {
    method?: string | undefined;
    headers?: Record<string, string> | undefined;
    body?: string | undefined;
    /**
     * without the token
     */
    anonymous?: boolean | undefined;
    /**
     * with this one, whoever is signed in
     */
    token?: string | undefined;
    signal?: AbortSignal | undefined;
    /**
     * a stream, which no timeout ends
     */
    endless?: boolean | undefined;
};
export type Sending = {
    /**
     * the ETag of what is being changed
     */
    ifMatch?: string | null | undefined;
    /**
     * the user action's key, the same when it is tried again
     */
    action?: string | undefined;
    anonymous?: boolean | undefined;
};
/**
 * where a reader of the feed is
 */
export type Position = {
    uri: string;
    id?: string;
};
export type News = {
    kind: "change" | "resync" | "live" | "waiting";
    /**
     * `{uri, type, deleted, changed_at, resource}`
     */
    change?: Json | undefined;
    /**
     * where to go on after it
     */
    position?: Position | undefined;
    /**
     * while waiting: was there an answer at all?
     */
    reachable?: boolean | undefined;
};
/**
 * a write that waits to be sent
 */
export type Write = {
    /**
     * its place in the queue
     */
    id?: number | undefined;
    /**
     * the URI of the user whose it is
     */
    owner: string;
    /**
     * of what, for those who show it
     */
    kind?: string | undefined;
    method: "PUT" | "DELETE";
    uri: string;
    /**
     * all that is to be there, as PUT takes it
     */
    body?: Json | undefined;
    /**
     * the members that somebody changed; the others came along
     */
    touched?: string[] | undefined;
    /**
     * what it was made on
     */
    base: Base;
    /**
     * what people call it
     */
    label: string;
    state: "waiting" | "conflict" | "failed";
    /**
     * at a conflict: how it is on the server
     */
    current?: Json | undefined;
    /**
     * and its ETag
     */
    etag?: string | null | undefined;
    /**
     * why it failed
     */
    reason?: string | undefined;
    /**
     * and with which members
     */
    fields?: [name: string, detail: string][] | undefined;
};
/**
 * "after" is the write before this one to the same URI, in this queue
 */
export type Base = {
    kind: "new";
} | {
    kind: "tag";
    etag: string;
} | {
    kind: "seen";
    updated_at: string;
} | {
    kind: "after";
} | {
    kind: "any";
};
export type WriteStore = {
    /**
     * in the order of their ids
     */
    all: () => Promise<Write[]>;
    add: (write: Write) => Promise<number>;
    /**
     * all or nothing
     */
    update: (changed: Write[], gone: number[]) => Promise<void>;
};
