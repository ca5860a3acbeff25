// The code of the page for developers of front ends, against replies that are made up.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { api, at, ok, ProblemError, ROOT } from "./api.js";
import { listen } from "./feed.js";
import { accessToken, forget, keep } from "./session.js";
import { submit } from "./forms.js";

const TASK = `${ROOT}tasks/1`;
const CHANGES = `${ROOT}changes`;

const session = (more = {}) => ({
  access_token: "a1", refresh_token: "r1", expires_in: 3600, collection_uri: `${ROOT}tokens`, ...more,
});

const reply = (body, status = 200, headers = {}) =>
  new Response(body === null ? null : JSON.stringify(body), { status, headers });

const problem = (status, headers = {}) =>
  reply({ type: `${ROOT}problems/x`, title: "x", status, detail: "Wait.", instance: "urn:x" }, status, headers);

/** Let `fetch` give these replies in their order; a function makes one of the request. What was asked is returned. */
function answer(...replies) {
  const asked = [];
  globalThis.fetch = async (uri, options) => {
    const request = new Request(uri, options);
    asked.push({ method: request.method, headers: request.headers, text: await request.text() });
    const next = replies[Math.min(asked.length, replies.length) - 1];
    const found = typeof next === "function" ? await next(request) : next;
    if (found instanceof Error) throw found;
    return found.clone();
  };
  return asked;
}

const offline = new TypeError("fetch failed");
const get = () => ok(api.GET("/api/v1/tasks/{key}", { params: at(TASK) }));
const create = () => ok(api.POST("/api/v1/lists/{key}/tasks", { params: at(`${ROOT}lists/1/tasks`), body: { title: "Milk" } }));
const change = () => ok(api.PATCH("/api/v1/tasks/{key}", { params: at(TASK), body: { done: true } }));

beforeEach(() => keep(session()));

test("a request waits as long as it is told, and is sent again", async () => {
  for (const status of [429, 503]) {
    for (const action of [get, create, change]) {
      const asked = answer(problem(status, { "Retry-After": "0" }), reply({ title: "Milk" }));
      assert.deepEqual(await action(), { title: "Milk" });
      assert.equal(asked.length, 2);
      assert.equal(asked[0].text, asked[1].text);
    }
  }
});

test("a long wait is left to the caller", async () => {
  const asked = answer(problem(429, { "Retry-After": "3600" }));
  await assert.rejects(get(), (error) => error instanceof ProblemError && error.problem.status === 429);
  assert.equal(asked.length, 1);
});

test("without a reply, what can be done twice is sent again, with the same key", async () => {
  for (const action of [get, create]) {
    const asked = answer(offline, reply({ title: "Milk" }));
    assert.deepEqual(await action(), { title: "Milk" });
    assert.equal(asked.length, 2);
    assert.equal(asked[0].headers.get("Idempotency-Key"), asked[1].headers.get("Idempotency-Key"));
    assert.equal(asked[0].headers.has("Idempotency-Key"), action === create);
  }
});

test("without a reply, a PATCH is not sent again", async () => {
  const asked = answer(offline, reply({}));
  await assert.rejects(change(), TypeError);
  assert.equal(asked.length, 1);
});

test("without a reply, somebody who is not signed in repeats no POST", async () => {
  forget();
  const asked = answer(offline, reply({}));
  const body = { username: "ann", password: "correct horse battery" };
  await assert.rejects(ok(api.POST("/api/v1/users", { params: at(`${ROOT}users`), body })), TypeError);
  assert.equal(asked.length, 1);
  assert.equal(asked[0].headers.has("Idempotency-Key"), false);
});

test("replies without a body have no data, and 304 is an error", async () => {
  answer(reply(null, 201));
  assert.equal(await create(), undefined);
  answer(reply(null, 304));
  const { data, error } = await api.GET("/api/v1/tasks/{key}", { params: at(TASK) });
  assert.deepEqual([data, error], [undefined, ""]);
});

test("a request that failed for good is not sent again", async () => {
  for (const status of [400, 404, 409, 412, 422, 500]) {
    const asked = answer(problem(status));
    await assert.rejects(create(), ProblemError);
    assert.equal(asked.length, 1);
  }
});

test("nothing is sent to another origin", async () => {
  const asked = answer(reply({}));
  for (const uri of ["https://elsewhere.test/", ROOT.replace("http:", "https:"), ROOT.replace("://", "://x@elsewhere.test:")]) {
    await assert.rejects(ok(api.GET("/api/v1/tasks/{key}", { params: at(uri) })));
    await assert.rejects(submit({ title: "", method: "POST", target: uri, contentType: "application/json", properties: [] }));
  }
  assert.equal(asked.length, 0);
});

test("a failure of a proxy is a problem as well", async () => {
  answer(new Response("<h1>Bad gateway</h1>", { status: 502 }));
  await assert.rejects(get(), (error) => error instanceof ProblemError && error.problem.status === 502 && error.fields[""] !== "");
});

test("an old token is refreshed once for all requests", async () => {
  keep(session({ expires_in: 30 }));
  const asked = answer((request) => reply(request.method === "POST" ? session({ access_token: "a2", refresh_token: "r2" }) : {}));
  await Promise.all([get(), get(), get()]);
  assert.deepEqual(asked.map(({ method }) => method), ["POST", "GET", "GET", "GET"]);
  assert.deepEqual(JSON.parse(asked[0].text), { refresh_token: "r1" });
  for (const { headers } of asked.slice(1)) assert.equal(headers.get("Authorization"), "Bearer a2");
});

test("a session that ended is forgotten, and one whose server is busy is not", async () => {
  for (const [status, left] of [[401, null], [503, "a1"], [500, "a1"]]) {
    keep(session({ expires_in: 30 }));
    answer(problem(status));
    assert.equal(await accessToken(), left);
  }
  forget();
  assert.equal(await accessToken(), null);
});

/** A stream of events, cut wherever `size` says. */
function events(text, size) {
  const bytes = new TextEncoder().encode(text);
  const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.slice(at * size, (at + 1) * size));
  const body = new ReadableStream({
    pull(controller) {
      const piece = pieces.shift();
      if (piece) controller.enqueue(piece);
      else controller.close();
    },
  });
  return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
}

const event = (id, title) => `id: ${id}\nevent: change\ndata: ${JSON.stringify({ type: "task", resource: { title } })}\n\n`;

test("the stream goes on after the last event, whatever ends it", async () => {
  const end = new AbortController();
  const asked = answer(
    () => events(`: hello\n\n${event("c1", "Käse")}:\n\n${event("c2", "Brot")}`, 7),
    offline,
    problem(503, { "Retry-After": "0" }),
    () => events(`id: \nevent: resync\ndata: {"first_uri":"${CHANGES}"}\n\n`, 1000),
    () => events(`id: c3\nevent: later\ndata: {}\n\n${event("c4", "Milch")}`, 3),
  );
  const heard = [];
  for await (const news of listen(CHANGES, "c0", end.signal)) {
    heard.push(news.event === "resync" ? "resync" : `${news.id} ${news.change.resource.title}`);
    if (news.id === "c4") end.abort();
  }
  assert.deepEqual(heard, ["c1 Käse", "c2 Brot", "resync", "c4 Milch"]);
  assert.deepEqual(asked.map(({ headers }) => headers.get("Last-Event-ID")), ["c0", "c2", "c2", "c2", ""]);
});

test("the stream ends when the user has to sign in", async () => {
  answer(problem(401));
  await assert.rejects(listen(CHANGES, "", new AbortController().signal).next(), ProblemError);
});

test("a form sends its hidden fields and what was typed, as it says", async () => {
  const properties = [
    { name: "title", required: true, readOnly: false },
    { name: "tags", required: false, readOnly: false },
    { name: "done", type: "hidden", value: "false", required: true, readOnly: false },
    { name: "expires_in", type: "number", required: false, readOnly: false },
  ];
  const form = { title: "", target: `${TASK}?old=1`, properties };
  const typed = { title: "Milk & honey", tags: ["a", "b"], expires_in: "60" };
  const asked = answer(reply({}));
  const written = "title=Milk+%26+honey&tags=a&tags=b&done=false&expires_in=60";
  await submit({ ...form, method: "POST", contentType: "application/x-www-form-urlencoded" }, typed);
  assert.equal(asked[0].text, written);
  await submit({ ...form, method: "PATCH", contentType: "application/json" }, { title: "Milk", expires_in: "60" });
  assert.deepEqual(JSON.parse(asked[1].text), { title: "Milk", done: "false", expires_in: 60 });
  let uri = "";
  answer((request) => ((uri = request.url), reply({})));
  await submit({ ...form, method: "GET", contentType: "application/x-www-form-urlencoded" }, typed);
  assert.equal(uri, `${TASK}?${written}`);
  const deleted = answer(reply(null, 204));
  await submit({ ...form, properties: [], method: "DELETE", contentType: "application/json" });
  assert.deepEqual([deleted[0].method, deleted[0].text], ["DELETE", ""]);
});
