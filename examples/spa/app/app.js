/** What the app knows and does. It draws nothing; it says `changed` when there is something to draw. */

import { Broken, Conflict, Later, Missing, Problem, Refused, Resource, SignedOut, Unreachable, flaws, newKey, same } from "../hyperapi.js";
import { forgetDrafts, restoreDrafts } from "./drafts.js";
import { Live } from "./live.js";
import { comparing, fits, writable } from "./tasks.js";
import { TaskView } from "./taskview.js";

const ALL = "all";
const AGAIN_MS = 4000;
const AT_ONCE = 6; // as many requests as browsers send to one origin
const KNOWN = new Set(["list", "task"]); // the types of changes that the app shows

/** What the app needs. Its account stays on the server's pages, where passwords are asked for. */
const SCOPE = "tasks:read tasks:write";
const ASKED = "hyperapi.authorization";

export class App extends EventTarget {
  constructor({ client, outbox, cache }) {
    super();
    Object.assign(this, { client, outbox, cache });
    this.phase = client.signedIn ? "starting" : "out";
    this.ended = null; // why one has to sign in again, while all that was typed stays
    this.connection = "online"; // or offline, or broken
    this.trouble = null; // what was said when it was last tried
    this.user = null;
    this.lists = { page: null, items: [] };
    this.view = null;
    this.chosen = null;
    this.writes = [];
    this.drafts = new Map(); // what was typed into each form, until it is sent
    this.open = new Set(); // the forms and panels that are open, by the names of their drafts
    this.focus = null; // where the focus goes with the next drawing
    this.account = null;
    this.busy = new Set();
    // Every tab hears of a sign-out here, also one whose session was found to be over before.
    this.tabs = globalThis.BroadcastChannel && new BroadcastChannel("hyperapi.session");
    this.tabs?.addEventListener("message", () => this.phase !== "out" && this.#leave(null));
    client.addEventListener("signed-out", ({ detail }) => this.#signedOut(detail));
    outbox.addEventListener("changed", () => this.#readWrites(true));
    outbox.addEventListener("sent", ({ detail }) => this.#arrived(detail));
  }

  changed() {
    this.dispatchEvent(new Event("changed"));
  }

  /** Say something to those who do not see it, and show it for a while. */
  say(text, { action, bad = false } = {}) {
    if (this.phase !== "in") return; // it is about an account that was left meanwhile
    this.notice = { text, action, bad };
    this.dispatchEvent(new CustomEvent("said", { detail: text }));
    this.changed();
  }

  // -- drafts: what was typed outlives errors, the network, and the session

  draft(name, values = {}) {
    if (!this.drafts.has(name)) this.drafts.set(name, { values, errors: new Map(), error: null, busy: false });
    return this.drafts.get(name);
  }

  /** Is there anything that has been typed, and not been sent? */
  get typed() {
    return [...this.drafts.values()].some(({ values }) => Object.values(values).some(Boolean));
  }

  /** Open or close a form or a panel. */
  toggle(name, focus) {
    if (!this.open.delete(name)) this.open.add(name);
    this.focus = focus;
    this.changed();
  }

  /** Close a form, with what was typed into it. */
  cancel(name, focus) {
    this.drafts.delete(name);
    this.toggle(name, focus);
  }

  /** Send a draft by `work`; what goes wrong is said beside its fields, and nothing is lost. */
  async send(name, work) {
    const draft = this.draft(name);
    const { user } = this;
    if (draft.busy) return false;
    const sent = JSON.stringify(draft.values);
    Object.assign(draft, { busy: true, error: null, errors: new Map() });
    // Pressed again after a failure, it is still the same action.
    draft.action ??= newKey();
    this.changed();
    try {
      await work(draft);
      const done = JSON.stringify(draft.values) === sent;
      if (done) this.open.delete(name);
      if (this.drafts.get(name) !== draft) return done;
      this.drafts.delete(name);
      // What was typed on meanwhile is where the next one begins.
      if (!done) this.draft(name, draft.values);
      return done;
    } catch (error) {
      if (this.#left(user)) return false;
      this.#note(error);
      if (error instanceof Problem && !(error instanceof Broken)) draft.action = undefined;
      this.#refuse(name, error instanceof Problem && !(error instanceof Conflict) ? error.fields : new Map(), explain(error));
      return false;
    } finally {
      draft.busy = false;
      this.changed();
    }
  }

  /** Show in a form what is wrong with it. */
  #refuse(name, errors, error) {
    Object.assign(this.draft(name), { errors, error });
    if (name === "add" && [...errors.keys()].some((field) => field !== "title")) this.open.add("add more");
    this.dispatchEvent(new CustomEvent("said", { detail: error }));
    const form = `[data-draft="${CSS.escape(name)}"]`;
    this.focus = [`${form} [aria-invalid=true]`, `${form} input`];
    this.changed();
  }

  /** Do something that has no form of its own to show what went wrong. */
  async attempt(name, work) {
    if (this.busy.has(name)) return;
    const { user } = this;
    this.busy.add(name);
    if (this.notice?.bad) this.notice = null; // it was about something before
    this.changed();
    try {
      await work();
    } catch (error) {
      if (this.#left(user)) return;
      this.#note(error);
      if (!(error instanceof SignedOut)) this.say(explain(error), { bad: true });
    } finally {
      this.busy.delete(name);
      this.changed();
    }
  }

  /** Was the account left of which this was? */
  #left(user) {
    return Boolean(user) && user !== this.user;
  }

  // -- the connection

  #note(error) {
    if (error instanceof Unreachable || error instanceof Broken || error instanceof Later) {
      this.trouble = error;
      this.#connection(error instanceof Unreachable ? "offline" : "broken");
    }
  }

  #connection(state) {
    if (state !== "online" && !this.retrying) {
      this.retrying = setTimeout(() => this.retry(), (this.trouble?.retryAfter ?? 0) * 1000 || AGAIN_MS);
    }
    if (state === this.connection) return;
    const back = state === "online";
    this.connection = state;
    if (back) {
      this.trouble = null;
      if (this.notice?.bad) this.notice = null; // what it said of the connection is over
    }
    this.dispatchEvent(new CustomEvent("said", { detail: back ? "Connected again." : explain(this.trouble ?? new Unreachable(null)) }));
    this.changed();
  }

  /** The network was said to be gone, or to be back. */
  network(there) {
    if (there) return this.retry();
    this.trouble = null;
    this.#connection("offline");
  }

  /** Is the server there again? Then catch up. */
  async retry() {
    clearTimeout(this.retrying);
    this.retrying = undefined;
    if (this.phase === "out") return;
    try {
      if (this.phase === "starting") return await this.start();
      await this.client.root();
      if (this.connection !== "online") {
        this.#connection("online");
        this.live?.hurry();
        await this.deliver();
        await Promise.all([this.loadLists(), this.view?.load(this.view.tasks.length)]);
      }
    } catch (error) {
      this.#note(error);
    }
  }

  // -- the session

  /** Begin with whoever is signed in. */
  async start() {
    this.phase = "starting";
    this.changed();
    let user;
    try {
      const root = await this.client.root();
      user = root.link("user");
      this.links = Object.fromEntries(["tasks", "lists", "tokens", "users"].map((rel) => [rel, root.link(rel)]));
      this.root = root;
      const me = await this.client.get(user).catch((error) => {
        if (error instanceof Problem && error.status === 403) return null; // the token may not ask
        throw error;
      });
      this.user = { uri: user, username: me?.get("username") ?? "" };
      const kept = await this.cache.read("me");
      if (kept && kept.user.uri !== user) await this.cache.clear();
      await this.cache.write("me", { user: this.user, root: root.document });
      this.#connection("online");
    } catch (error) {
      this.#note(error);
      const kept = error instanceof SignedOut ? null : await this.cache.read("me");
      if (error instanceof SignedOut) return;
      if (!kept) {
        this.trouble = error;
        return this.changed();
      }
      this.root = new Resource(kept.root);
      this.user = kept.user;
      this.links = Object.fromEntries(["tasks", "lists", "tokens", "users"].map((rel) => [rel, this.root.link(rel)]));
    }
    this.#in();
    restoreDrafts(this);
    await this.#readWrites();
    await this.#openLists();
    this.#listen();
    this.choose(this.wanted ?? (matchMedia("(max-width: 44rem)").matches ? null : this.allLists[0]?.uri ?? ALL));
    this.deliver().catch((error) => this.#note(error));
  }

  async signIn(values) {
    await this.client.signIn({ label: device(), ...values });
    await this.#enter();
  }

  /** Go to the server's own page for sign-in: this app sees no password. */
  async openSignIn() {
    const redirect_uri = location.origin + location.pathname;
    const asked = await this.client.authorization({ client_id: this.clientId, redirect_uri, scope: SCOPE });
    sessionStorage.setItem(ASKED, JSON.stringify({ ...asked, hash: location.hash }));
    location.assign(asked.page);
  }

  /** Come back from that page, if this is its answer. What it asked is used once. */
  async comeBack() {
    const asked = JSON.parse(sessionStorage.getItem(ASKED) ?? "null");
    const answer = location.href;
    if (!asked || !new URL(answer).searchParams.has("state")) return;
    sessionStorage.removeItem(ASKED);
    history.replaceState(null, "", location.pathname + asked.hash);
    await this.send("login", () => this.client.signInWithAnswer(answer, asked));
  }

  async register(values) {
    await this.client.register(values);
    const { username, password } = values;
    await this.client.signIn({ username, password, label: device() });
    await this.#enter();
  }

  async useToken(token) {
    await this.client.signInWithToken(token);
    await this.#enter();
  }

  /** Somebody signed in: whoever was before goes on where they were. */
  async #enter() {
    this.live?.tell({ kind: "session" });
    if (this.ended) {
      const root = await this.client.root();
      if (root.link("user") === this.user?.uri) {
        this.#in();
        this.#listen();
        this.deliver().catch((error) => this.#note(error));
        await Promise.all([this.loadLists(), this.view?.load(this.view.tasks.length)]);
        return;
      }
      this.#clear();
    }
    await this.start();
  }

  /** What was typed to get in is over, also if it was another tab that signed in. */
  #in() {
    this.phase = "in";
    this.ended = null;
    for (const name of ["login", "register", "token"]) this.drafts.delete(name);
  }

  async signOut() {
    await this.attempt("sign-out", () => this.#sendAndGoOut(() => this.client.signOut()));
  }

  async signOutEverywhere() {
    await this.attempt("sign-out", () => this.#sendAndGoOut(() => this.client.signOutEverywhere()));
  }

  /** Leave, but first send what waits, as far as it goes. */
  async #sendAndGoOut(work) {
    await this.deliver().catch((error) => this.#note(error));
    await this.#goOut(work);
  }

  /** Leave because one wants to: nothing stays on the page, here and in the other tabs. */
  async #goOut(work) {
    this.leaving = true;
    try {
      await work();
    } finally {
      this.leaving = false;
    }
  }

  #signedOut(reason) {
    if (this.leaving) this.tabs?.postMessage("left");
    else this.live?.tell({ kind: "session" });
    if (this.leaving || this.phase !== "in") this.#leave(this.leaving ? null : reason);
    else this.#end(reason);
  }

  /** The session ended under one's hands: what is on the page stays, behind a sign-in. */
  #end(reason) {
    this.ended = reason?.name === "token-expired" ? "Your session has expired." : "This session was ended from somewhere else.";
    this.#quiet();
    this.draft("login").values.username ??= this.user.username || undefined;
    this.focus = this.user.username ? "#sign-in input[type=password]" : "#sign-in input";
    this.notice = null;
    this.dispatchEvent(new CustomEvent("said", { detail: this.ended }));
    this.changed();
  }

  #leave(reason) {
    if (this.user && !reason) this.outbox.forget(this.user.uri);
    this.#quiet();
    this.#clear();
    this.cache.end();
    this.cache = this.cache.renewed();
    this.phase = "out";
    this.notice = null;
    this.wanted = null;
    this.dispatchEvent(new Event("left"));
    if (reason) this.draft("login").error = "Your session has ended. Please sign in again.";
    this.focus = "#sign-in input";
    this.changed();
  }

  #quiet() {
    this.live?.end();
    this.live = null;
    this.account = null;
  }

  #clear() {
    Object.assign(this, { user: null, view: null, chosen: null, writes: [], ended: null, lists: { page: null, items: [] } });
    this.drafts.clear();
    this.open.clear();
    forgetDrafts();
  }

  /** Another tab signed in or out. */
  sessionChanged() {
    if (this.leaving) return;
    const { session } = this.client;
    if (!session && this.phase === "in" && !this.ended) this.#end(null);
    else if (session && (this.phase === "out" || this.ended)) this.#enter().catch((error) => this.#note(error));
  }

  // -- live update

  async #listen() {
    this.live?.end();
    const name = `position ${this.user.uri}`;
    const { cache } = this;
    const position = await cache.read(name);
    const live = (this.live = new Live(this.client, { position, keep: (at) => cache.write(name, at) }));
    const heard = new Map();
    let timer;
    const take = async () => {
      timer = undefined;
      const changes = [...heard.values()];
      heard.clear();
      try {
        await this.view?.take(changes.filter((change) => change.type === "task"));
        if (changes.some((change) => KNOWN.has(change.type))) await this.loadLists();
      } catch (error) {
        this.#note(error);
      }
    };
    live.addEventListener("news", ({ detail: { kind, change, reachable } }) => {
      if (live !== this.live) return;
      if (kind === "session") return this.sessionChanged();
      if (kind === "writes") return this.#readWrites();
      if (kind === "waiting") return this.#connection(reachable ? "broken" : "offline");
      if (kind === "live" && this.connection !== "online") return void this.retry();
      if (kind === "resync") return void this.view?.load(this.view.tasks.length).catch((error) => this.#note(error));
      if (kind !== "change") return;
      heard.delete(change.uri);
      heard.set(change.uri, change);
      timer ??= setTimeout(take, 120);
    });
  }

  // -- lists

  async #openLists() {
    const kept = await this.cache.read("lists");
    if (kept) this.lists = { page: new Resource(kept.page), items: kept.items.map((item) => new Resource(item)) };
    await this.loadLists().catch((error) => this.#note(error));
  }

  async loadLists() {
    const { user, cache } = this;
    const items = [];
    let first = null;
    const search = (this.lists.page ?? (await this.client.get(this.links.lists))).form("search");
    const start = await this.client.submit(search, { limit: 100, sort: "created_at" });
    for await (const page of this.client.pages(start)) {
      first ??= page;
      items.push(...page.items);
    }
    if (user !== this.user) return; // it was left meanwhile
    this.lists = { page: first, items };
    // A new name of a list that is gone is of no use.
    const names = new Set(items.map((item) => `rename ${item.uri}`));
    for (const name of this.drafts.keys()) if (name.startsWith("rename ") && !names.has(name)) this.drafts.delete(name);
    await cache.write("lists", { page: { ...first.document, _embedded: undefined }, items: items.map((item) => item.document) });
    if (this.chosen && this.chosen !== ALL && !this.list && this.connection === "online") this.#listGone();
    if (this.view && !this.view.uri && this.list?.link("tasks")) this.#show(); // it has arrived by now
    this.changed();
  }

  /** The chosen list was deleted elsewhere: what is being typed about its tasks is shown with all the others. */
  #listGone() {
    const editing = this.tasks.some(({ uri }) => this.drafts.has(`edit ${uri}`));
    this.choose(editing ? ALL : null);
    this.say("This list was deleted somewhere else.");
  }

  /** The lists as they will be when all that waits has arrived. */
  get allLists() {
    const there = new Set(this.lists.items.map((item) => item.uri));
    const made = this.writes.filter((write) => write.kind === "list" && !there.has(write.uri));
    return [...this.lists.items, ...made.map((write) => this.#listed(write))];
  }

  /** A list that has not arrived yet, with what was put on it meanwhile. */
  #listed({ uri, body, state }) {
    const last = new Map();
    for (const write of this.writes) if (write.body?.list_uri) last.set(write.uri, write);
    const done = [...last.values()].filter((write) => write.body.list_uri === uri).map((write) => write.body.done);
    const done_count = done.filter(Boolean).length;
    return new Resource({ _links: { self: { href: uri } }, ...body, open_count: done.length - done_count, done_count, state });
  }

  get list() {
    return this.allLists.find((item) => item.uri === this.chosen) ?? null;
  }

  /** Show a list, all tasks, or the lists alone. */
  choose(uri) {
    if (uri === this.chosen && this.view) return;
    if (uri && uri !== ALL && !this.allLists.some((item) => item.uri === uri)) uri = null;
    this.chosen = uri;
    this.dispatchEvent(new CustomEvent("chosen", { detail: uri }));
    this.#show();
  }

  #show() {
    const list = this.list;
    this.view = null;
    if (list || this.chosen === ALL) {
      this.view = new TaskView(this.client, this.cache, {
        uri: list ? list.link("tasks") : this.links.tasks, list: list?.uri ?? null, changed: () => this.changed(),
      });
      // Who was let make the list may fill it, too, before the server says so itself.
      if (!this.view.uri) this.view.page = new Resource({ _templates: { create: this.lists.page?.form("create") } });
      this.view.open().catch((error) => this.#note(error));
    }
    this.changed();
  }

  /** Make a list under a key of our own, so that it and its tasks can be made offline. */
  async addList({ title }) {
    return this.send("new list", async (draft) => {
      draft.uri ??= this.root.link("list", { uuid: newKey() });
      const made = await this.#make("list", draft.uri, { title, description: "", archived: false });
      if (made) this.lists.items.push(made);
      await this.#readWrites();
      this.choose(draft.uri);
      this.focus = "#add input";
      this.say(made ? `List “${title}” was made.` : `List “${title}” is made when the server is there again.`);
      if (made) await this.loadLists().catch((error) => this.#note(error));
    });
  }

  async renameList(list, values) {
    return this.send(`rename ${list.uri}`, async () => {
      const now = await this.client.get(list.uri);
      await this.client.submit(now.form("edit"), values, { ifMatch: now.etag });
      this.focus = "#list-title";
      await this.loadLists();
    });
  }

  async deleteList(list) {
    await this.attempt(`delete ${list.uri}`, async () => {
      const tasks = await this.#everyTask(list.link("tasks"));
      await this.client.submit(list.form("delete"));
      this.open.delete(`delete ${list.uri}`);
      // What was being edited of it goes with it.
      for (const [name, { task }] of this.drafts) {
        if (task?.document.list_uri !== list.uri) continue;
        this.open.delete(name);
        this.drafts.delete(name);
      }
      this.chosen = null;
      await this.loadLists();
      this.choose(this.allLists[0]?.uri ?? ALL);
      this.focus = "#list-title";
      const undo = this.lists.page?.form("create") && { name: "Undo", work: () => this.#undeleteList(list, tasks) };
      this.say(`List “${list.get("title")}” was deleted.`, { action: undo });
    });
  }

  /** Make a list again that was deleted, with its tasks, as they were. */
  async #undeleteList(list, tasks) {
    await this.attempt(`delete ${list.uri}`, async () => {
      const { title, description, archived } = list.document;
      await this.#make("list", list.uri, { title, description, archived });
      await this.#remake(tasks);
      await this.loadLists();
      this.choose(list.uri);
      this.focus = "#list-title";
      this.say(`List “${title}” is back.`);
    });
  }

  /** Complete all, or clear what is completed: a form of the collection. Both can be undone. */
  async bulk(name) {
    await this.attempt(name, async () => {
      const { view } = this;
      const clearing = name === "clear-completed";
      const tasks = await this.#everyTask(view.uri, { done: String(clearing) });
      await this.client.submit(view.page.form(name));
      await this.#reload();
      this.focus = "#list-title";
      const what = `${tasks.length} ${tasks.length === 1 ? "task" : "tasks"}`;
      const undo = { name: "Undo", work: () => this.#undoBulk(name, tasks, () => (clearing ? this.#remake(tasks) : this.#reopen(view.uri, tasks))) };
      this.say(clearing ? `Deleted: ${what}.` : `Done: ${what}.`, { action: undo });
    });
  }

  async #undoBulk(name, tasks, work) {
    await this.attempt(name, async () => {
      await work();
      await this.#reload();
      this.focus = "#list-title";
      this.say("Everything is as it was.");
    });
  }

  async #reload() {
    await Promise.all([this.view?.load(this.view.tasks.length), this.loadLists()]);
  }

  /** Every task of a collection that a query selects, on all pages. */
  async #everyTask(uri, query = {}) {
    const found = [];
    const page = await this.client.get(uri);
    const start = await this.client.submit(page.form("search"), { limit: 100, ...query });
    for await (const { items } of this.client.pages(start)) found.push(...items);
    return found;
  }

  /** Make tasks again that were deleted, as they were. One that is there again already is left alone. */
  async #remake(tasks) {
    await together(tasks, async ({ uri, document }) => {
      await this.#make("task", uri, writable(document)).catch((error) => {
        if (!(error instanceof Conflict)) throw error;
      });
    });
  }

  /** Reopen tasks that were completed. One that was deleted or reopened meanwhile is left alone. */
  async #reopen(uri, tasks) {
    const wanted = new Set(tasks.map((task) => task.uri));
    const done = await this.#everyTask(uri, { done: "true" });
    const forms = done.filter((task) => wanted.has(task.uri)).map((task) => task.form("reopen")).filter(Boolean);
    await together(forms, async (form) => {
      await this.client.submit(form).catch((error) => {
        if (!(error instanceof Missing)) throw error;
      });
    });
  }

  async ask(query) {
    Object.assign(this.view.query, query);
    this.view.tasks = this.view.tasks.filter((task) => fits(task.document, this.view.fits));
    this.view.tasks.sort((one, other) => comparing(this.view.query.sort)(one.document, other.document));
    this.view.next = null;
    await this.view.load().catch((error) => this.#note(error));
    if (this.view && !this.view.error) {
      const count = this.view.tasks.length;
      this.dispatchEvent(new CustomEvent("said", { detail: `${count}${this.view.next ? " or more" : ""} tasks` }));
    }
  }

  // -- tasks

  /** The tasks as they will be when all that waits has arrived: each with what waits of it. */
  get tasks() {
    if (!this.view) return [];
    const waiting = new Map();
    for (const write of this.writes) {
      if (write.kind !== "list") waiting.set(write.uri, [...(waiting.get(write.uri) ?? []), write]);
    }
    const shown = this.view.tasks.map((task) => this.#overlaid(task, waiting.get(task.uri)));
    const here = new Set(this.view.tasks.map((task) => task.uri));
    for (const [uri, writes] of waiting) {
      if (here.has(uri) || writes[0].base.kind !== "new" || writes[0].method !== "PUT") continue;
      const made = new Resource({ _links: { self: { href: uri } }, created_at: new Date().toISOString() });
      this.#insert(shown, this.#overlaid(made, writes));
    }
    const fitting = shown.filter(({ document, gone }) => !gone && fits(document, this.view.fits));
    // What is being edited stays until that has ended, whatever became of it elsewhere.
    for (const [name, { task }] of this.drafts) {
      if (!task || !this.open.has(name) || waiting.has(task.uri) || fitting.some(({ uri }) => uri === task.uri)) continue;
      if (!this.view.list || task.document.list_uri === this.view.list) this.#insert(fitting, task);
    }
    return fitting;
  }

  /** Put a task where it belongs among others. */
  #insert(shown, task) {
    const compare = comparing(this.view.query.sort);
    const at = shown.findIndex((other) => compare(task.document, other.document) < 0);
    shown.splice(at < 0 ? shown.length : at, 0, task);
  }

  #overlaid(resource, writes = []) {
    const document = { ...resource.document };
    let gone = false;
    for (const write of writes) {
      gone = write.method === "DELETE" && write.state === "waiting";
      Object.assign(document, write.body);
    }
    const state = writes.find((write) => write.state !== "waiting")?.state ?? (writes.length ? "waiting" : null);
    return { uri: resource.uri, resource, document, gone, state };
  }

  /** May this be done with a task? Only what a form was offered for. */
  can({ resource, document, state }, name) {
    if (state && state !== "waiting") return false;
    // What has not arrived is still ours to change, as far as we may add.
    if (!resource.document._templates) return state ? Boolean(this.view.page?.form("create")) : false;
    if (name === "complete" || name === "reopen") {
      return Boolean(document.done === (name === "reopen") && (resource.form("complete") || resource.form("reopen")));
    }
    return Boolean(resource.form(name));
  }

  /**
   * Add a task under a key of our own, so that it is made once however often it is sent. It is written down before
   * that, so that the box is free for the next one, and neither a reload nor a slow server is in the way.
   */
  async add(read) {
    return this.send("add", async (draft) => {
      const create = this.view.page.form("create");
      if (!create) throw new Error("Nothing can be added here.");
      const uri = this.root.link("task", { uuid: newKey() });
      const body = { description: "", done: false, due_at: null, priority: "none", tags: [], ...read(), list_uri: this.view.list };
      const write = making("task", uri, body);
      check(write, create);
      this.drafts.delete("add");
      await this.#queue(write).catch((error) => {
        this.drafts.set("add", draft);
        throw error;
      });
      this.focus = "#add input";
      this.dispatchEvent(new CustomEvent("said", { detail: `Added: ${body.title}` }));
      this.#follow(uri, draft.values);
    });
  }

  /** See what becomes of a new task: refused, it goes back into its list's box, unless the next is in there already. */
  async #follow(uri, values) {
    const { view } = this;
    if (this.connection === "online") await this.deliver().catch((error) => this.#note(error));
    await this.#readWrites();
    const refused = this.writes.find((write) => write.uri === uri && write.state === "failed");
    const free = refused?.body.list_uri === this.view?.list && !this.drafts.get("add")?.values.title;
    if (refused && free && !refused.fields.some(([name]) => name === "list_uri")) {
      await this.outbox.discard(refused.owner, uri);
      this.drafts.set("add", { ...this.draft("add"), values });
      return this.#refuse("add", new Map(refused.fields), refused.reason);
    }
    if (view !== this.view || this.tasks.some((task) => task.uri === uri)) return;
    if (!refused) this.say(`“${values.title}” was added, and is ${view.query.q || view.query.done ? "not among what is shown" : "further down"}.`);
  }

  /** Make a task again that was deleted, as it was. */
  async restore({ uri, document }) {
    await this.attempt(uri, async () => {
      await this.#queue(making("task", uri, writable(document)));
      this.focus = `[data-uri="${CSS.escape(uri)}"] button`;
    });
  }

  /** Make a list or a task now, or when the server is there. @returns what was made, or null */
  async #make(kind, uri, body) {
    const write = making(kind, uri, body);
    const form = kind === "list" ? this.lists.page.form("create") : null;
    if (!this.#direct(uri)) return this.#queue(write, form);
    try {
      return await this.client.put(uri, body, { create: true });
    } catch (error) {
      if (!waits(error)) throw error;
      return this.#queue(write, form, error);
    }
  }

  /** Complete, reopen, edit or delete a task. */
  async act(task, name, values = {}) {
    const { uri } = task;
    // It may have arrived since it was shown for the first time.
    const resource = task.resource.get("updated_at") ? task.resource : this.view?.find(uri) ?? task.resource;
    const changes = name === "complete" ? { done: true } : name === "reopen" ? { done: false } : values;
    const seen = resource.get("updated_at");
    const write = {
      method: name === "delete" ? "DELETE" : "PUT",
      uri,
      ...(name !== "delete" && { body: { ...writable(task.document), ...changes }, touched: Object.keys(changes) }),
      base: resource.etag ? { kind: "tag", etag: resource.etag } : seen ? { kind: "seen", updated_at: seen } : { kind: "after" },
      label: task.document.title,
    };
    const form = resource.form(name);
    const edit = resource.form("edit") ?? this.view.page?.form("create");
    if (!form || !this.#direct(uri)) return this.#queue(write, edit);
    try {
      const ifMatch = name === "edit" ? await this.#tagOf(resource) : resource.etag;
      const changed = await this.client.submit(form, changes, { ifMatch: name === "complete" || name === "reopen" ? null : ifMatch });
      if (changed) this.#placed(changed);
      else this.#removed(uri);
    } catch (error) {
      if (waits(error)) return this.#queue(write, edit, error);
      if (error instanceof Conflict) return this.#disagree(write, error);
      if (!(error instanceof Missing)) throw error;
      if (name === "edit") return this.#disagree(write, {});
      this.#removed(uri);
      if (name !== "delete") this.say(`“${task.document.title}” was deleted somewhere else.`);
    }
  }

  /** The ETag of a task as it is shown; a conflict when it is another by now. */
  async #tagOf(resource) {
    if (resource.etag) return resource.etag;
    const now = await this.client.get(resource.uri);
    if (now.get("updated_at") === resource.get("updated_at")) return now.etag;
    throw new Conflict(412, { current: now.document }, new Headers(now.etag ? { ETag: now.etag } : {}));
  }

  #placed(task) {
    this.view?.place(task);
    this.loadLists().catch((error) => this.#note(error));
    this.changed();
  }

  #removed(uri) {
    this.view?.remove(uri);
    this.loadLists().catch((error) => this.#note(error));
    this.changed();
  }

  // -- what waits to be sent

  /** Can it be sent at once, or does something wait that comes before it? */
  #direct(uri) {
    return this.connection === "online" && !this.writes.some((write) => write.uri === uri);
  }

  /** Keep a write for later. */
  async #queue(write, form = null, error = null) {
    if (error) this.#note(error);
    if (form) check(write, form);
    await this.outbox.add({ ...write, owner: this.user.uri });
    if (this.connection === "online") this.deliver().catch((failure) => this.#note(failure));
    return null;
  }

  /** Both versions are kept, until somebody decides. Without a current one, it was deleted elsewhere. */
  async #disagree(write, { current }) {
    const touched = write.touched ?? [];
    if (current && touched.length && touched.every((name) => same(current.get(name), write.body[name]))) return this.#placed(current);
    if (current) this.view?.place(current);
    else this.#removed(write.uri);
    this.focus = ".conflict h2";
    await this.outbox.add({
      ...write, owner: this.user.uri, state: "conflict", ...(current && { current: current.document, etag: current.etag }),
    });
  }

  async keepMine(write) {
    await this.outbox.insist(write);
    this.focus = "#list-title";
    await this.deliver().catch((error) => this.#note(error));
    await this.#readWrites();
    if (!this.writes.some(({ uri }) => uri === write.uri)) this.say("Your version was sent.");
  }

  async keepTheirs(write) {
    await this.outbox.discard(write.owner, write.uri);
    if (write.current && write.kind !== "list") this.view?.place(new Resource(write.current, write.etag ?? null));
    await this.#readWrites();
    if (this.chosen !== ALL && !this.list) this.choose(null); // it was never made
    this.focus = "#list-title";
    this.say(write.current ? "The other version was kept." : "It was discarded.");
  }

  async deliver() {
    if (this.user) await this.outbox.replay(this.user.uri);
  }

  async #readWrites(tell = false) {
    const { user } = this;
    if (!user) return;
    if (tell) this.live?.tell({ kind: "writes" });
    const writes = await this.outbox.waiting(user.uri);
    if (user !== this.user) return;
    this.writes = writes;
    this.changed();
  }

  async #arrived({ write, resource }) {
    if (write.owner !== this.user?.uri) return;
    if (write.kind === "list") {
      if (!this.lists.items.some((item) => item.uri === write.uri)) this.lists.items.push(resource);
      await this.loadLists().catch((error) => this.#note(error));
    } else if (write.method === "DELETE") this.#removed(write.uri);
    else if (resource) this.#placed(resource);
  }

  // -- one's account, as far as forms are offered

  async openAccount() {
    this.account = { loading: true };
    this.focus = "#account h2";
    this.changed();
    const { user } = this;
    await this.attempt("account", async () => {
      const [users, tokens] = await Promise.all([this.client.get(this.links.users), this.client.get(this.links.tokens)]);
      if (!this.#left(user)) this.account = { me: users.items[0] ?? null, tokens };
    });
    if (this.account?.loading) this.account = null;
    this.changed();
  }

  closeAccount() {
    this.account = null;
    this.focus = "#account-button";
    this.changed();
  }

  /** Send one of the account's forms as it is. */
  async sendForm(name, form, values, said) {
    return this.send(name, async ({ action }) => {
      const made = await this.client.submit(form, values, { action });
      if (made?.get("access_token")) this.account.made = made.get("access_token");
      if (form.name === "delete") return this.#goOut(() => this.client.forget()); // its sessions ended with the account
      const { made: token } = this.account;
      await this.openAccount();
      if (token) this.account.made = token;
      this.say(said);
    });
  }
}

/** Do something with each of many, a few at a time. */
async function together(all, work) {
  for (let at = 0; at < all.length; at += AT_ONCE) await Promise.all(all.slice(at, at + AT_ONCE).map(work));
}

/** What people call this device when they look at their sessions. */
function device() {
  const { userAgent = "" } = navigator;
  const browser = /(Firefox|Edg|OPR|Chrome|Safari)\//.exec(userAgent)?.[1] ?? "A browser";
  const system = /(Android|iPhone|iPad|Windows|Mac OS|Linux)/.exec(userAgent)?.[1];
  return system ? `${browser} on ${system}` : browser;
}

/** The write that makes something at a URI of our own. */
const making = (kind, uri, body) =>
  ({ kind, method: "PUT", uri, body, touched: Object.keys(body), base: { kind: "new" }, label: body.title });

/** What a form can tell to be wrong with a write is said at once, while it is being typed. */
function check({ body, touched = [] }, form) {
  const changed = Object.fromEntries(touched.map((name) => [name, body[name]]));
  const errors = flaws(form, changed).map(([name, detail]) => ({ pointer: `/${name}`, detail }));
  if (errors.length) throw new Refused(422, { detail: "This cannot be sent.", errors }, new Headers());
}

/** Is it worth keeping a write for later after this? */
const waits = (error) => error instanceof Unreachable || error instanceof Broken || error instanceof Later;

/** What went wrong, for people. */
export function explain(error) {
  if (error instanceof Unreachable) return `${error.message} Nothing you typed is lost.`;
  if (error instanceof Later && error.retryAfter) return `Too much at once: the server asks to wait ${error.retryAfter} seconds.`;
  if (error instanceof Later) return "The server is busy. Try again in a moment.";
  if (error instanceof Broken) return "The server has failed. Nothing you typed is lost; try again in a moment.";
  if (error instanceof Problem && error.fields.size) return [...error.fields].map(([name, detail]) => `${name} ${detail}`).join("; ");
  return error.message;
}
