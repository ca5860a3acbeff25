/** Where the app begins: it learns the root's URI from its page, and draws itself again and again. */

import { Client, LastingWrites, Outbox, SessionStore } from "../hyperapi.js";
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { App } from "./app.js";
import { Cache } from "./cache.js";
import { keepDrafts } from "./drafts.js";
import { page } from "./views/page.js";

const AGAIN_MS = 4000;
const SLOW_MS = 2500;
const SHOWN_MS = 6000;
const OFFERED_MS = 12_000;

const root = document.querySelector("meta[name=hyperapi-root]").content;
const place = document.getElementById("app");
const said = document.getElementById("said");

const sessions = new SessionStore();
const client = new Client(root, { sessions, fetch: watched });
const [writes, cache] = await Promise.all([LastingWrites.open(), Cache.open()]);
const app = new App({ client, outbox: new Outbox(client, writes), cache });
Object.defineProperty(app, "lasting", { get: () => sessions.lasting && writes.lasting });
app.clientId = document.querySelector("meta[name=hyperapi-client]")?.content ?? "";
if (location.search) await app.comeBack();
app.wanted = hash() || null;

/** Fetch, and notice when that takes long. */
async function watched(...asked) {
  const streaming = asked[1]?.headers?.get("Accept") === "text/event-stream" || asked[1]?.headers?.has("Prefer");
  const timer = streaming ? 0 : setTimeout(() => slow(+1), SLOW_MS);
  let counted = false;
  const slow = (by) => {
    counted = by > 0;
    app.slow = Math.max(0, (app.slow ?? 0) + by);
    app.changed();
  };
  try {
    return await fetch(...asked);
  } finally {
    clearTimeout(timer);
    if (counted) slow(-1);
  }
}

let again;
/** The forms to sign in and sign up are the server's to offer. */
async function findForms() {
  try {
    const anonymous = { anonymous: true };
    const start = await client.root(anonymous);
    const [users, tokens] = await Promise.all(["users", "tokens"].map((rel) => client.get(start.link(rel), anonymous)));
    const page = app.clientId && start.link("authorize");
    app.forms = { page, users: users.form("register") && users.uri, login: tokens.form("login"), register: users.form("register") };
    app.trouble = null;
    app.focus ??= page ? "#sign-in button" : "#sign-in input";
  } catch (error) {
    app.trouble = error;
    clearTimeout(again);
    again = setTimeout(() => app.changed(), (error.retryAfter ?? 0) * 1000 || AGAIN_MS); // and with it, asks
  }
  app.changed();
}

app.findForms = findForms;

app.loadMore = () => app.view.more().catch(() => app.network(navigator.onLine));

// -- drawing

let drawing = false;
app.addEventListener("changed", () => {
  if (drawing) return;
  drawing = true;
  queueMicrotask(draw);
});

const sight = new IntersectionObserver((entries) => {
  if (entries.some((entry) => entry.isIntersecting) && app.view?.next && !app.view.loading && !app.view.error) app.loadMore();
}, { rootMargin: "600px" });
let watchedFoot;

function draw() {
  drawing = false;
  if ((app.phase === "out" || app.ended) && !app.forms && !app.asking) {
    app.asking = findForms().finally(() => (app.asking = null));
  }
  render(html`${page(app)}${nothing}`, place);
  const dialog = document.querySelector("dialog");
  if (dialog && !dialog.open) dialog.showModal();
  if (app.focus) {
    const found = [app.focus].flat().map((selector) => document.querySelector(selector)).find(Boolean);
    if (found) {
      app.focus = null;
      found.focus();
    }
  }
  // An observer speaks up once for what stays in sight; a new look makes it speak again.
  sight.disconnect();
  watchedFoot = document.querySelector(".to-come");
  if (watchedFoot) sight.observe(watchedFoot);
  document.title = app.list ? `${app.list.get("title")} – To do` : "To do";
  if (app.notice && !app.notice.bad && !app.notice.hiding) {
    const shown = app.notice;
    const hide = () => {
      if (document.querySelector(".notice:is(:hover, :focus-within)")) return (shown.hiding = setTimeout(hide, SHOWN_MS));
      if (app.notice === shown) app.notice = null;
      app.changed();
    };
    shown.hiding = setTimeout(hide, shown.action ? OFFERED_MS : SHOWN_MS);
  }
}

let saying;
app.addEventListener("said", ({ detail }) => {
  clearTimeout(saying);
  said.textContent = "";
  saying = setTimeout(() => (said.textContent = detail), 50);
});
// Nothing of the account stays on the page, or in its address.
app.addEventListener("left", () => {
  clearTimeout(saying);
  said.textContent = "";
  history.replaceState(null, "", location.pathname + location.search);
});

// -- what comes from outside

function hash() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}
addEventListener("hashchange", () => {
  app.account = null; // it lay over the page that was left
  if (app.phase === "in") app.choose(hash() || null);
});
app.addEventListener("chosen", ({ detail }) => {
  const wanted = detail ? `#${encodeURIComponent(detail)}` : "#";
  if (hash() !== (detail ?? "")) history.pushState(null, "", wanted);
});
addEventListener("online", () => app.network(true));
addEventListener("offline", () => app.network(false));
addEventListener("storage", ({ key }) => {
  if (key === sessions.name || key === null) setTimeout(() => app.sessionChanged(), 200);
});
// The last that a page hears before it goes, or is put away by a phone that needs its memory.
for (const going of ["pagehide", "visibilitychange"]) {
  addEventListener(going, () => app.phase === "in" && keepDrafts(app));
}
addEventListener("beforeunload", (event) => {
  if (app.phase === "in" && (app.typed || (!app.lasting && app.writes.length))) event.preventDefault();
});

// The app itself comes from a cache when there is no network.
if ("serviceWorker" in navigator) {
  const policy = globalThis.trustedTypes?.createPolicy("service-worker", { createScriptURL: (url) => url });
  navigator.serviceWorker.register(policy?.createScriptURL("sw.js") ?? "sw.js").catch(() => {});
}

if (client.signedIn) app.start();
app.changed();
