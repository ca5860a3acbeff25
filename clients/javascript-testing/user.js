/** A user of a sandbox. */

import { Client } from "hyperapi-client";

/** A signed-in client of a user that a sandbox has made. */
export class User extends Client {
  /**
   * @param {string} root
   * @param {import("hyperapi-client").Resource} made
   */
  constructor(root, made) {
    const life = 1000 * made.get("expires_in");
    /** @type {import("hyperapi-client").Session | null} */
    let session = {
      access_token: made.get("access_token"),
      refresh_token: made.get("refresh_token"),
      ends: Date.now() + life,
      life,
      uri: made.link("tokens") ?? root,
    };
    super(root, { sessions: { read: () => session, write: (now) => void (session = now) } });
    /** @type {string} */
    this.username = made.get("username");
    /** For signing in elsewhere, such as on a page. @type {string} */
    this.password = made.get("password");
  }

  /** End this session. The first reply named no URI of it, so it is looked up. */
  async signOut() {
    const { session } = this;
    const own = session && (await this.get(session.uri)).items.find((item) => item.get("current"));
    if (own) this.sessions.write({ ...session, uri: own.uri });
    await super.signOut();
  }
}
