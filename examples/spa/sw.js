/** Keeps the app's own files for when there is no network. What the API says never comes here. */

const KEPT = "hyperapi-spa-1";
const FILES = [
  "./", "index.html", "app.css", "icon.svg", "hyperapi.js",
  "app/app.js", "app/cache.js", "app/drafts.js", "app/live.js", "app/main.js", "app/tasks.js", "app/taskview.js",
  "app/views/account.js", "app/views/conflict.js", "app/views/form.js", "app/views/lists.js", "app/views/page.js",
  "app/views/parts.js", "app/views/signin.js", "app/views/tasks.js",
  "vendor/lit-html/lit-html.js", "vendor/lit-html/directive.js", "vendor/lit-html/directive-helpers.js",
  "vendor/lit-html/directives/live.js", "vendor/lit-html/directives/repeat.js",
];

addEventListener("install", (event) => {
  event.waitUntil(caches.open(KEPT).then((cache) => cache.addAll(FILES)).then(() => skipWaiting()));
});

addEventListener("activate", (event) => {
  const old = async () => {
    for (const name of await caches.keys()) if (name.startsWith("hyperapi-spa-") && name !== KEPT) await caches.delete(name);
    await clients.claim();
  };
  event.waitUntil(old());
});

addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || new URL(request.url).origin !== location.origin) return;
  if (new URL(request.url).search) return; // the answer of the server's page for sign-in, which is used once
  if (request.cache === "no-store") return; // the client asks the API so, which may share our origin
  event.respondWith(fresh(event));
});

/** Where nothing can be kept, what came is shown all the same. */
async function keep(request, response) {
  try {
    await (await caches.open(KEPT)).put(request, response);
  } catch {
    // The device is full: another time.
  }
}

/** From the network, and only if that is gone as it was last. */
async function fresh(event) {
  const { request } = event;
  try {
    const response = await fetch(request);
    if (response.ok) event.waitUntil(keep(request, response.clone()));
    return response;
  } catch (error) {
    const kept = await caches.match(request, { ignoreSearch: true });
    if (kept) return kept;
    throw error;
  }
}
