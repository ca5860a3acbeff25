// What pages have of a browser and Node 20 has not: storage, and locks.

class Storage {
  #values = new Map();
  getItem(name) {
    return this.#values.get(name) ?? null;
  }
  setItem(name, value) {
    this.#values.set(name, String(value));
  }
  removeItem(name) {
    this.#values.delete(name);
  }
}

let lock = Promise.resolve();

/** Run one after the other, as a lock of one name does. */
function request(_name, work) {
  const done = lock.then(work);
  lock = done.catch(() => {});
  return done;
}

globalThis.sessionStorage = new Storage();
Object.defineProperty(globalThis, "navigator", { value: { locks: { request } }, configurable: true });
