/**
 * Live update: one tab reads the feed of changes, and tells the others.
 *
 * A browser opens few connections to one origin, and a stream keeps one of them: with one for each
 * tab, the sixth tab would wait for ever. Where tabs cannot agree, each reads for itself.
 */

import { SignedOut } from "../hyperapi.js";

export class Live extends EventTarget {
  /** @param position where to begin, and `keep` what keeps it for the next time */
  constructor(client, { position, keep }) {
    super();
    Object.assign(this, { client, position, keep });
    this.ending = new AbortController();
    this.channel = globalThis.BroadcastChannel && new BroadcastChannel("hyperapi.live");
    this.channel?.addEventListener("message", ({ data }) => {
      if (data.position) this.position = data.position;
      this.#dispatch(data);
    });
    this.#take();
  }

  /** Tell the other tabs something. */
  tell(message) {
    this.channel?.postMessage(message);
  }

  /** Try again now, rather than when it is time to. */
  hurry() {
    this.attempt?.abort();
  }

  end() {
    this.ending.abort();
    this.attempt?.abort();
    this.channel?.close();
  }

  async #take() {
    const { signal } = this.ending;
    try {
      if (navigator.locks) await navigator.locks.request("hyperapi.live", { signal }, () => this.#read());
      else await this.#read();
    } catch (error) {
      if (!signal.aborted && !(error instanceof SignedOut)) throw error;
    }
  }

  async #read() {
    while (!this.ending.signal.aborted) {
      this.attempt = new AbortController();
      for await (const news of this.client.changes({ since: this.position, signal: this.attempt.signal })) {
        if (news.position) this.keep((this.position = news.position));
        if (news.kind === "resync") this.keep((this.position = undefined));
        this.tell(news);
        this.#dispatch(news);
      }
    }
  }

  #dispatch(news) {
    this.dispatchEvent(new CustomEvent("news", { detail: news }));
  }
}
