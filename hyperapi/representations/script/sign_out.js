/** Ends the session. */

import { deletes, templatesOf } from "./forms.js";
import { ask } from "./http.js";
import { go } from "./navigation.js";
import { fail, say } from "./page.js";
import { forget as forgetRecords } from "./records.js";
import * as session from "./session.js";
import { root } from "./start.js";

/** End the session, and forget what it showed. */
export async function signOut() {
  const { uri } = session.current() ?? {};
  try {
    const found = uri ? await ask(uri) : null;
    const form = templatesOf(found?.document).map(([, each]) => each).find(deletes);
    if (form) await ask(form.target, { method: form.method });
  } catch (failure) {
    fail(failure);
  }
  session.forget();
  forgetRecords();
  await go(root);
  say("You are signed out.");
}
