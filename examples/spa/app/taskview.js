/** The tasks of one list, or of all: loaded page by page, and kept right while they change. */

import { Resource } from "../hyperapi.js";
import { comparing, fits } from "./tasks.js";

const PAGE = 50;
const MOST_SINGLY = 5;

export class TaskView {
  /**
   * @param uri of the collection, or undefined for a list that has not arrived at the server yet
   * @param list the list's URI, or null for the tasks of all lists
   */
  constructor(client, cache, { uri, list, changed }) {
    Object.assign(this, { client, cache, uri, list, changed });
    this.query = { done: "", q: "", sort: "created_at" };
    this.tasks = [];
    this.page = null;
    this.next = null;
    this.loading = false;
    this.stale = false; // is it what was seen last, rather than what is there?
    this.error = null;
    this.turn = 0;
  }

  get fits() {
    return { list: this.list, ...this.query };
  }

  /** Show it: from the cache at once, and then from the server. */
  async open() {
    if (!this.uri) return;
    const kept = await this.cache.read(`tasks ${this.uri}`);
    if (kept && !this.page) {
      this.page = new Resource(kept.page);
      this.tasks = kept.tasks.map((task) => new Resource(task));
      this.stale = true;
      this.changed();
    }
    await this.load();
  }

  /** Ask for what the query selects, at least as many as are shown. */
  async load(least = 0) {
    if (!this.uri) return;
    const turn = ++this.turn;
    this.loading = true;
    this.changed();
    try {
      let page = await this.#first(least > PAGE ? 100 : PAGE);
      const tasks = [...page.items];
      while (tasks.length < least && page.link("next")) {
        page = await this.client.get(page.link("next"));
        tasks.push(...page.items);
      }
      if (turn !== this.turn) return; // something else is wanted by now
      Object.assign(this, { page, tasks, next: page.link("next"), stale: false, error: null });
      this.#keep();
    } catch (error) {
      if (turn === this.turn) this.error = error;
      throw error;
    } finally {
      if (turn === this.turn) this.loading = false;
      this.changed();
    }
  }

  async #first(limit) {
    const before = this.page?.form("search") ? this.page : await this.client.get(this.uri);
    const { done, q, sort } = this.query;
    const values = { limit, sort, ...(done && { done }), ...(q && { q }) };
    return this.client.submit(before.form("search"), values);
  }

  /** Load the next page. */
  async more() {
    if (!this.next || this.loading) return;
    const turn = ++this.turn;
    this.loading = true;
    this.changed();
    try {
      const page = await this.client.get(this.next);
      if (turn !== this.turn) return;
      const known = new Set(this.tasks.map((task) => task.uri));
      this.tasks.push(...page.items.filter((task) => !known.has(task.uri)));
      this.next = page.link("next");
      this.error = null;
    } catch (error) {
      if (turn === this.turn) this.error = error;
      throw error;
    } finally {
      if (turn === this.turn) this.loading = false;
      this.changed();
    }
  }

  find(uri) {
    return this.tasks.find((task) => task.uri === uri);
  }

  /** Put a task where it belongs, or away when it does not belong here. */
  place(task) {
    const compare = comparing(this.query.sort);
    const before = this.tasks.findIndex((other) => other.uri === task.uri);
    if (before >= 0 && fits(task.document, this.fits) && !compare(task.document, this.tasks[before].document)) {
      this.tasks[before] = task; // in its place, also among equals
      return this.#keep();
    }
    this.remove(task.uri);
    if (!fits(task.document, this.fits)) return;
    let at = this.tasks.findIndex((other) => compare(task.document, other.document) < 0);
    if (at < 0) at = this.tasks.length;
    if (at === this.tasks.length && this.next) return; // it is on a page to come
    this.tasks.splice(at, 0, task);
    this.#keep();
  }

  remove(uri) {
    this.tasks = this.tasks.filter((task) => task.uri !== uri);
  }

  /** Take in what has changed elsewhere: `changes` as the feed has them. */
  async take(changes) {
    const news = changes.filter(({ uri, deleted, resource }) => {
      const known = this.find(uri);
      if (deleted) return Boolean(known);
      if (known) return known.get("updated_at") !== resource.updated_at;
      return fits(resource, this.fits) && !this.#beyond(resource);
    });
    if (!news.length) return;
    if (news.length > MOST_SINGLY) return void (await this.load(this.tasks.length));
    for (const { uri, deleted, resource } of news) {
      if (deleted || !fits(resource, this.fits)) this.remove(uri);
      else this.place(await this.client.get(uri)); // the feed says what it is, not what may be done
    }
    this.#keep();
    this.changed();
  }

  /** Is it on a page that is still to come? */
  #beyond(document) {
    const last = this.tasks.at(-1);
    return Boolean(this.next && last && comparing(this.query.sort)(document, last.document) >= 0);
  }

  #keep() {
    if (this.query.q || this.query.done || !this.page) return;
    const { _embedded, ...page } = this.page.document;
    this.cache.write(`tasks ${this.uri}`, { page, tasks: this.tasks.map((task) => task.document) });
  }
}
