/**
 * Expand a URI template of the kinds that the server uses (RFC 6570: `{x}` and `{?x,y*}`).
 *
 * @param {string} template
 * @param {Json} values
 */
export function expand(template: string, values: Json): string;
/** A new UUID of version 7, for a resource or an action of this client. */
export function newKey(): string;
/**
 * Run a function while no other tab runs one of the same name: with Web Locks, or a lease in local storage.
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
 * Yield the events of a stream (WHATWG HTML, 9.2). It is read with fetch, since EventSource sends no token.
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
 * Text in the normal form that the server stores (NFC). The time of normalization grows with the square
 * of a run of combining marks, so text with a long run, which the server refuses, is returned unchanged.
 *
 * @param {string} text
 */
export function normal(text: string): string;
/**
 * The errors that a form can find in values before they are sent, for use without a network.
 *
 * @param {Form} form
 * @param {Json} values
 * @returns {[name: string, detail: string][]}
 */
export function flaws(form: Form, values: Json): [name: string, detail: string][];
/**
 * Tell whether a resource has the written values.
 *
 * @param {Resource} resource
 * @param {Json} body
 */
export function holds(resource: Resource, body: Json): boolean;
/** Compare two values of a member. The order of tags and the spelling of instants do not matter. @param {any} one @param {any} other */
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
/** Any error of this client. */
export class ApiError extends Error {
}
/** There was no reply: the network or the server failed, or the time ran out. */
export class Unreachable extends ApiError {
    /** @param {unknown} cause @param {boolean} slow whether the time ran out */
    constructor(cause: unknown, slow?: boolean);
    slow: boolean;
}
/**
 * A link, form, redirect or stored session leads to another origin than the root's. No data of the
 * user was sent there.
 */
export class ForeignOrigin extends ApiError {
    /** @param {string} origin the root's @param {string} other */
    constructor(origin: string, other: string);
    origin: string;
    other: string;
}
/** The server refused the request, with a problem document (RFC 9457). */
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
    /** The errors of members and parameters, by name. @returns {Map<string, string>} */
    get fields(): Map<string, string>;
}
/** 400, 409 or 422: the request is not valid. */
export class Refused extends Problem {
}
/** 401: not signed in, or the session has ended. */
export class SignedOut extends Problem {
}
/** 403: the token does not allow this. The session continues. */
export class NotAllowed extends Problem {
}
/** 404 or 410: the resource does not exist, or no longer. */
export class Missing extends Problem {
}
/** 429 or 503: try again later. */
export class Later extends Problem {
}
/** Other statuses from 500 on: the server failed. */
export class Broken extends Problem {
}
/** 412: the resource has changed since it was last seen. */
export class Conflict extends Problem {
    /** The current resource. @type {Resource | null} */
    current: Resource | null;
}
/** A resource as the server sent it: members, links, forms, and the items of a collection. */
export class Resource {
    /**
     * @param {Json} document in HAL-FORMS
     * @param {string | null} etag
     * @param {string | null} undo the URI that undoes the change which this is the result of
     */
    constructor(document: Json, etag?: string | null, undo?: string | null);
    document: Json;
    etag: string | null;
    undo: string | null;
    /** @type {Resource[]} */
    items: Resource[];
    /** @returns {string} */
    get uri(): string;
    /** The URI that a link leads to; undefined without the link. @param {string} rel @param {Json} [values] */
    link(rel: string, values?: Json): string | undefined;
    /** The form of this name; undefined when it is not offered. @param {string} name @returns {Form | undefined} */
    form(name: string): Form | undefined;
    /** @returns {Form[]} */
    get forms(): Form[];
    /** The value of a member. @param {string} name @returns {any} */
    get(name: string): any;
    /** The items of this page of a collection. {@link Client#items} reads further pages. */
    [Symbol.iterator](): ArrayIterator<Resource>;
}
/** The store of the session for all tabs of this origin: local storage, or else memory. */
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
    constructor(root: string, { sessions, timeout, fetch }?: {
        sessions?: Pick<SessionStore, "read" | "write">;
        timeout?: number;
        fetch?: typeof globalThis.fetch;
    });
    rootUri: string;
    sessions: Pick<SessionStore, "write" | "read">;
    timeout: number;
    fetch: typeof fetch;
    /** The URI that undoes the last change of this client; null without any. @type {string | null} */
    lastUndo: string | null;
    /** The last resources, for conditional requests. @type {Map<string, Resource>} */
    seen: Map<string, Resource>;
    get signedIn(): boolean;
    /** The session at the root's origin; null for one of another origin. @returns {Session | null} */
    get session(): Session | null;
    /** @param {{anonymous?: boolean}} [options] */
    root(options?: {
        anonymous?: boolean;
    }): Promise<Resource>;
    /**
     * Read a resource. When it has not changed, the server sends 304 and the known one is returned.
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
     * Follow relations, one after the other, from the root.
     *
     * @param {...string} rels
     */
    follow(...rels: string[]): Promise<Resource>;
    /**
     * Yield the pages of a collection. Each is read when it is needed.
     *
     * @param {Resource | string} first
     * @returns {AsyncGenerator<Resource, void, void>}
     */
    pages(first: Resource | string): AsyncGenerator<Resource, void, void>;
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
    items(first: Resource | string): AsyncGenerator<Resource, void, void>;
    /**
     * Send a form with some values. Other fields are not sent, unless they are required and have a value.
     *
     * @param {Form} form
     * @param {Json} [values]
     * @param {Sending} [sending]
     * @returns {Promise<Resource | null>} null for a reply without content
     */
    submit(form: Form, values?: Json, { ifMatch, action, anonymous }?: Sending): Promise<Resource | null>;
    /**
     * Create or replace a resource at a URI, which may contain an id of this client.
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
     * Move a task or list in the order by hand (`sort=position`). Its neighbours keep their versions.
     *
     * @param {Resource} resource with its forms
     * @param {Resource | string | null} [after] the resource to stand behind, or its URI; by default the front
     * @returns {Promise<Resource | null>} the moved resource
     */
    move(resource: Resource, after?: Resource | string | null): Promise<Resource | null>;
    /**
     * Undo a change: everything that the request changed is put back. To make the change again, undo the
     * result. A later change of the same resources is refused (409 `changed-since`).
     *
     * @param {Resource | string | null} [change] its result or its `undo` link; by default the last change
     * @returns {Promise<Resource | null>} with the member `count`
     */
    undo(change?: Resource | string | null): Promise<Resource | null>;
    /**
     * Sign in with a user name and a password.
     *
     * @param {Json} credentials
     */
    signIn(credentials: Json): Promise<void>;
    /**
     * Prepare a sign-in on the server's own page, so that the app sees no password (OAuth 2.1 with PKCE). Keep
     * the result, for example in sessionStorage, and send the browser to its `page`.
     *
     * @param {{client_id: string, redirect_uri: string, scope?: string}} app as the operator registered it
     * @returns {Promise<Authorization>}
     */
    authorization({ client_id, redirect_uri, scope }: {
        client_id: string;
        redirect_uri: string;
        scope?: string;
    }): Promise<Authorization>;
    /**
     * Sign in with the answer of the server's page.
     *
     * @param {string} answer the URI that the browser came back to
     * @param {Authorization} asked
     */
    signInWithAnswer(answer: string, asked: Authorization): Promise<void>;
    /** @param {Json} details */
    register(details: Json): Promise<void>;
    /** Sign in with an existing token. @param {string} token */
    signInWithToken(token: string): Promise<void>;
    /** End this session, here and on the server. */
    signOut(): Promise<void>;
    /** End every session of this user. */
    signOutEverywhere(): Promise<void>;
    /** Delete the session here, without a request. @param {Problem} [reason] */
    forget(reason?: Problem): void;
    /**
     * Send a request with the session's token.
     *
     * @param {string} uri
     * @param {Asked} asked
     * @returns {Promise<Response>} a successful reply, or 304
     */
    ask(uri: string, asked?: Asked): Promise<Response>;
    /**
     * Yield changes as they happen, until `signal` ends it: from a stream, or by polling where streams
     * do not arrive. A reader that starts from its last position misses nothing and gets nothing twice.
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
/** A queue in IndexedDB, for all tabs. It outlasts a reload. @implements {WriteStore} */
export class LastingWrites implements WriteStore {
    /**
     * Open the queue of this browser, or one in memory where storage is not allowed.
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
    constructor(client: Client, store: WriteStore);
    client: Client;
    store: WriteStore;
    /** @type {Promise<void> | null} */
    replaying: Promise<void> | null;
    again: boolean;
    /** The writes of a user. @param {string} owner */
    waiting(owner: string): Promise<Write[]>;
    /**
     * Add a write.
     *
     * @param {Omit<Write, "id" | "state"> & {state?: Write["state"]}} write in the state `waiting`,
     *   or `conflict` when the conflict is known already
     * @returns {Promise<number>} its id
     */
    add(write: Omit<Write, "id" | "state"> & {
        state?: Write["state"];
    }): Promise<number>;
    /** Discard the writes to a URI. @param {string} owner @param {string} uri */
    discard(owner: string, uri: string): Promise<void>;
    /** Discard all writes of a user. @param {string} owner */
    forget(owner: string): Promise<void>;
    /**
     * Send a write again. One in conflict is applied to the current resource: the changed members, and the
     * others as they are there. Later writes to the same URI follow it.
     *
     * @param {Write} write
     */
    insist(write: Write): Promise<void>;
    /**
     * Send the waiting writes. One tab does so at a time.
     *
     * @param {string} owner
     * @returns {Promise<void>} rejected when the server is down or asks to wait
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
     * when the access token expires, in milliseconds since 1970
     */
    ends: number;
    /**
     * its lifetime in milliseconds
     */
    life?: number | undefined;
    /**
     * the session's own URI
     */
    uri: string;
    /**
     * the app that it was granted to (OAuth 2.1)
     */
    client_id?: string | undefined;
};
export type Authorization = {
    /**
     * where to send the browser
     */
    page: string;
    client_id: string;
    redirect_uri: string;
    verifier: string;
    state: string;
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
     * with this token instead of the session's
     */
    token?: string | undefined;
    signal?: AbortSignal | undefined;
    /**
     * a stream, without a timeout
     */
    endless?: boolean | undefined;
};
export type Sending = {
    /**
     * the ETag of the version to change
     */
    ifMatch?: string | null | undefined;
    /**
     * the Idempotency-Key; pass the same one to try again
     */
    action?: string | undefined;
    anonymous?: boolean | undefined;
};
/**
 * a position in the feed
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
     * where to continue after it
     */
    position?: Position | undefined;
    /**
     * while waiting: whether the server replied
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
     * the URI of its user
     */
    owner: string;
    /**
     * of the resource, for display
     */
    kind?: string | undefined;
    method: "PUT" | "DELETE";
    uri: string;
    /**
     * the whole resource, as PUT accepts it
     */
    body?: Json | undefined;
    /**
     * the members that the user changed
     */
    touched?: string[] | undefined;
    /**
     * the version that it changes
     */
    base: Base;
    /**
     * the name for display
     */
    label: string;
    state: "waiting" | "conflict" | "failed";
    /**
     * at a conflict: the current resource
     */
    current?: Json | undefined;
    /**
     * its ETag
     */
    etag?: string | null | undefined;
    /**
     * why it failed
     */
    reason?: string | undefined;
    /**
     * the errors of its members
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
