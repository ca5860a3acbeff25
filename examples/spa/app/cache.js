/** What was seen last, kept for when there is no network: in IndexedDB, or in memory. */

export class Cache {
  #database = null;
  #memory = new Map();
  #ended = false;

  static async open(name = "hyperapi.cache") {
    const cache = new Cache();
    try {
      const opening = indexedDB.open(name, 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore("kept");
      cache.#database = await settled(opening);
    } catch {
      // Storage is disabled: what is seen is kept as long as the page.
    }
    return cache;
  }

  async read(key) {
    if (!this.#database) return this.#memory.get(key);
    return settled(this.#kept("readonly").get(key)).catch(() => undefined);
  }

  async write(key, value) {
    if (this.#ended) return;
    if (!this.#database) this.#memory.set(key, value);
    else await settled(this.#kept("readwrite").put(value, key)).catch(() => {});
  }

  async clear() {
    this.#memory.clear();
    if (this.#database) await settled(this.#kept("readwrite").clear()).catch(() => {});
  }

  /** The session is over: forget everything, and what its last replies bring is not kept. */
  async end() {
    this.#ended = true;
    await this.clear();
  }

  /** The same storage, for the next session. */
  renewed() {
    const cache = new Cache();
    cache.#database = this.#database;
    cache.#memory = this.#memory;
    return cache;
  }

  #kept(mode) {
    return this.#database.transaction("kept", mode).objectStore("kept");
  }
}

const settled = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
