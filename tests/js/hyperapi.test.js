// The client of the single-page app against servers made up here: what is hard to provoke for real.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import {
  Client, Conflict, ForeignOrigin, Later, MemoryWrites, NotAllowed, Outbox, Problem, Refused, Resource, SignedOut, Unreachable,
  events, exclusively, expand, flaws, holds, newKey, same,
} from "../../clients/javascript/hyperapi.js";

const ROOT = "http://api.test/";

class Memory {
  constructor(session = null) {
    this.session = session;
  }
  read() {
    return this.session;
  }
  write(session) {
    this.session = session;
  }
}

const session = () => ({ access_token: "a1", refresh_token: "r1", ends: Date.now() + 3_600_000, uri: `${ROOT}session` });

const reply = (body, { status = 200, ...headers } = {}) =>
  new Response(body === null ? null : JSON.stringify(body), { status, headers });

const problem = (status, name, more = {}, headers = {}) =>
  reply({ type: `${ROOT}problems/${name}`, title: name, status, ...more }, { status, ...headers });

/** A client of a server that answers by `answer(request)`; what was asked is remembered. */
function made(answer, kept = new Memory(session())) {
  const asked = [];
  const fetch = async (uri, options = {}) => {
    const request = new Request(uri, { ...options, signal: undefined });
    const at = { method: request.method, uri, headers: request.headers, body: options.body ?? null, signal: options.signal };
    asked.push(at);
    return answer(at);
  };
  return { client: new Client(ROOT, { sessions: kept, fetch, timeout: 200 }), asked, kept };
}

const links = (more) => Object.fromEntries(Object.entries({ self: ROOT, ...more }).map(([rel, href]) => [rel, { href }]));

test("templates are expanded, and nothing else is known of URIs", () => {
  assert.equal(expand("/t/{uuid}", { uuid: "a/b" }), "/t/a%2Fb");
  assert.equal(expand("/t{?q,tag*}", { q: "é&", tag: ["a", "b"] }), "/t?q=%C3%A9%26&tag=a&tag=b");
  assert.equal(expand("/t{?q}", {}), "/t");
});

test("keys are UUIDs of version 7, each another", () => {
  const keys = new Set(Array.from({ length: 1000 }, newKey));
  assert.equal(keys.size, 1000);
  for (const key of keys) assert.match(key, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test("what was read before is asked for conditionally", async () => {
  const { client, asked } = made(({ headers }) =>
    headers.get("If-None-Match") === '"1"' ? reply(null, { status: 304 }) : reply({ _links: links(), n: 1 }, { ETag: '"1"' }));
  const first = await client.get(ROOT);
  assert.equal(await client.get(ROOT), first);
  assert.equal(asked[1].headers.get("If-None-Match"), '"1"');
  assert.equal(asked[0].headers.get("Authorization"), "Bearer a1");
});

test("a change is undone by the link of its reply, and made again by that of the undoing", async () => {
  const link = (name) => `<${ROOT}undo/${name}>; rel="${ROOT}rels/undo"`;
  const { client, asked } = made(({ method, uri }) => {
    if (method === "DELETE") return reply(null, { status: 204, Link: link("deletion") });
    return reply({ count: 1 }, { Link: `${link(uri.endsWith("deletion") ? "undoing" : "redoing")}, <${ROOT}>; rel="up"` });
  });
  assert.throws(() => client.undo(), /nothing to undo/);
  assert.throws(() => client.undo(new Resource({})), /nothing to undo/);
  assert.equal(await client.delete(`${ROOT}task`), null);
  const undone = await client.undo();
  await client.undo(undone);
  assert.deepEqual(asked.map(({ method, uri }) => `${method} ${uri}`), [
    `DELETE ${ROOT}task`, `POST ${ROOT}undo/deletion`, `POST ${ROOT}undo/undoing`,
  ]);
  assert.ok(asked[1].headers.get("Idempotency-Key"));
  await client.undo(`${ROOT}undo/deletion`);
  assert.equal(client.lastUndo, `${ROOT}undo/undoing`);
});

test("a resource is moved behind another one, and to the front", async () => {
  const move = { method: "PATCH", target: `${ROOT}task`, contentType: "application/x-www-form-urlencoded", properties: [{ name: "after_uri" }] };
  const { client, asked } = made(() => reply({ _links: links() }));
  const task = new Resource({ _links: links(), _templates: { move } }, '"1"');
  const other = new Resource({ _links: links({ self: `${ROOT}other` }) });
  await client.move(task, other);
  await client.move(task, `${ROOT}third`);
  await client.move(task);
  const uri = (name) => `after_uri=${encodeURIComponent(`${ROOT}${name}`)}`;
  assert.deepEqual(asked.map(({ body }) => body), [uri("other"), uri("third"), "after_uri="]);
  assert.equal(asked[0].headers.get("If-Match"), '"1"');
});

const FOREIGN = ["https://api.test/", "http://api.test:8080/", "http://elsewhere.test/", "http:\\\\elsewhere.test/", "http://api.test@elsewhere.test/"];

test("no link, form, page, session or stored write leads to another origin", async () => {
  for (const foreign of FOREIGN) {
    const there = (more) => links({ users: foreign, tokens: foreign, next: `${foreign}2`, changes: foreign, ...more });
    const login = { method: "POST", target: foreign, properties: [{ name: "username" }, { name: "password" }] };
    const refresh = { method: "POST", target: foreign, properties: [{ name: "refresh_token" }] };
    const own = () => links({ tokens: ROOT, users: ROOT });
    const actions = [
      (client) => client.get(foreign),
      (client) => client.follow("users"),
      (client) => client.signIn({ username: "ann", password: "secret" }),
      (client) => client.register({ username: "ann", password: "secret" }),
      (client) => client.submit(form({ target: foreign }), { title: "secret" }),
      (client) => client.submit(form({ target: foreign, method: "GET" }), { title: "secret" }),
      (client) => client.put(foreign, {}),
      (client) => client.delete(foreign),
      (client) => client.signInWithToken("secret"),
      async (client) => { for await (const page of client.pages(ROOT)) assert.ok(page); },
      async (client) => { for await (const item of client.items(ROOT)) assert.ok(item); },
      async (client) => { for await (const news of client.changes({ signal: AbortSignal.timeout(2000) })) assert.ok(!news); },
    ];
    for (const action of actions) {
      const { client, asked } = made(() => reply({ _links: there(), _embedded: { item: [{ n: 1 }] } }));
      await assert.rejects(action(client), (error) => error instanceof ForeignOrigin && error.message.includes("http://api.test") && error.message.includes(new URL(foreign).origin), `${foreign} ${action}`);
      assert.ok(asked.every(({ uri }) => new URL(uri).origin === "http://api.test"));
    }
    for (const [name, template] of Object.entries({ login, refresh })) {
      const old = { ...session(), ends: 0 };
      const { client, asked } = made(() => reply({ _links: own(), _templates: { [name]: template } }), new Memory(old));
      const trying = name === "login" ? client.signIn({ username: "ann", password: "secret" }) : client.get(ROOT);
      await assert.rejects(trying, ForeignOrigin);
      assert.ok(asked.every(({ uri, body }) => new URL(uri).origin === "http://api.test" && !body));
    }
  }
});

test("a session that is kept for another origin is none here", async () => {
  const { client, asked } = made(() => reply({ _links: links() }), new Memory({ ...session(), uri: "http://elsewhere.test/session" }));
  assert.equal(client.signedIn, false);
  await client.get(ROOT);
  assert.equal(asked[0].headers.get("Authorization"), null);
});

test("a stored write for another origin fails, and the others are sent", async () => {
  const { client, asked } = made(() => reply({ _links: links() }));
  const outbox = new Outbox(client, new MemoryWrites());
  const write = (uri) => outbox.add({ owner: "ann", method: "PUT", uri, body: {}, base: { kind: "any" }, label: "" });
  await write("http://elsewhere.test/1");
  await write(`${ROOT}2`);
  await outbox.replay("ann");
  assert.deepEqual(asked.map(({ uri }) => uri), [`${ROOT}2`]);
  const [failed] = await outbox.waiting("ann");
  assert.equal(failed.state, "failed");
  assert.match(failed.reason, /elsewhere/);
});

/** A server on a socket, which remembers what it was asked. */
async function serving(answer) {
  const asked = [];
  const server = createServer((request, response) => {
    asked.push({ method: request.method, url: request.url, authorization: request.headers.authorization });
    answer(request, response);
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  return { server, asked, root: `http://127.0.0.1:${server.address().port}/` };
}

test("redirects are followed within the origin, and nothing of the user's goes elsewhere", async () => {
  const answer = (request, response) => {
    response.setHeader("Content-Type", "application/hal+json");
    response.end(JSON.stringify({ _links: links() }));
  };
  const elsewhere = await serving(answer);
  const ours = await serving((request, response) => {
    const status = Number(request.url.slice(-3));
    if (!status) return answer(request, response);
    const to = request.url.startsWith("/away") ? elsewhere.root : ours.root;
    return response.writeHead(status, { Location: `${to}x` }).end();
  });
  try {
    for (const status of [301, 302, 303, 307, 308]) {
      const kept = new Memory({ ...session(), uri: `${ours.root}session` });
      const client = new Client(ours.root, { sessions: kept });
      await client.get(`${ours.root}here/${status}`);
      assert.deepEqual(ours.asked.at(-1), { method: "GET", url: "/x", authorization: "Bearer a1" });
      await assert.rejects(client.get(`${ours.root}away/${status}`), ForeignOrigin);
      for (const place of ["here", "away"]) {
        await assert.rejects(client.submit(form({ target: `${ours.root}${place}/${status}` }), { title: "secret" }), /has moved/);
      }
    }
    for (const each of elsewhere.asked) assert.deepEqual([each.method, each.authorization], ["GET", undefined]);
  } finally {
    for (const { server } of [ours, elsewhere]) {
      server.closeAllConnections();
      server.close();
    }
  }
});

test("pages come one by one, as they are wanted", async () => {
  const { client, asked } = made(({ uri }) =>
    reply({ _links: links({ self: uri, ...(uri.endsWith("3") ? {} : { next: `${ROOT}${Number(uri.at(-1)) + 1}` }) }), _embedded: { item: [{ n: uri.at(-1) }] } }));
  const seen = [];
  for await (const page of client.pages(`${ROOT}1`)) {
    assert.equal(asked.length, seen.length + 1);
    seen.push(page.items[0].get("n"));
  }
  assert.deepEqual(seen, ["1", "2", "3"]);
});

/** A server of one collection, paged by key as the service does it; instants are counted up. */
function collection(size) {
  let now = Date.parse("2030-01-01T00:00:00Z");
  const tick = () => new Date((now += 1000)).toISOString();
  const rows = new Map();
  const add = (title) => {
    const at = tick();
    rows.set(`${ROOT}t/${rows.size}`, { title, created_at: at, updated_at: at });
  };
  const edit = (uri, title) => rows.set(uri, { ...rows.get(uri), title, updated_at: tick() });
  for (let n = 0; n < size; n++) add(String.fromCharCode(97 + n));
  const answer = ({ uri }) => {
    const asked = new URL(uri).searchParams;
    const sort = asked.get("sort") ?? "created_at";
    const [name, sign] = sort.startsWith("-") ? [sort.slice(1), -1] : [sort, 1];
    const key = ([own, row]) => `${row[name]} ${own}`;
    const order = (one, other) => (one < other ? -sign : one > other ? sign : 0);
    const behind = [...rows]
      .filter(([, row]) => row.updated_at >= (asked.get("updated_after") ?? ""))
      .filter((each) => !asked.has("cursor") || order(key(each), asked.get("cursor")) > 0)
      .sort((one, other) => order(key(one), key(other)));
    const shown = behind.slice(0, Number(asked.get("limit") ?? 2));
    const next = new URL(uri);
    if (shown.length) next.searchParams.set("cursor", key(shown.at(-1)));
    const more = behind.length > shown.length ? { next: { href: next.href } } : {};
    const search = { href: `${ROOT}t{?updated_after,sort,limit}`, templated: true };
    const item = shown.map(([own, row]) => ({ ...row, _links: { self: { href: own } } }));
    return reply({ _links: { self: { href: uri }, search, ...more }, _embedded: { item } });
  };
  return { ...made(answer), rows, add, edit };
}

for (const sort of ["updated_at", "-updated_at", "title", "-title", "created_at", "-created_at"]) {
  test(`items that change while they are read come once, sorted by ${sort}`, async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { client, rows, add, edit } = collection(9);
      const there = [...rows.keys()];
      const came = [];
      let state = seed;
      const random = (below) => ((state = (state * 48271) % 2147483647) % below);
      for await (const item of client.items(`${ROOT}t?sort=${sort}&limit=${1 + (seed % 3)}`)) {
        came.push(item.uri);
        assert.ok(came.length < 50, "it does not end");
        edit(item.uri, String.fromCharCode(97 + random(26)));
        edit(there[random(there.length)], String.fromCharCode(97 + random(26)));
        if (random(2)) add("new");
      }
      assert.equal(came.length, new Set(came).size);
      for (const uri of there) assert.ok(came.includes(uri), `${seed} ${uri}`);
    }
  });
}

test("pages end although their items are edited", async () => {
  const { client, edit } = collection(6);
  let pages = 0;
  for await (const page of client.pages(`${ROOT}t?sort=updated_at`)) {
    assert.ok(++pages < 20);
    for (const { uri } of page) edit(uri, "z");
  }
  assert.equal(pages, 4);
});

test("a page is iterated by its items, and what is no collection is not", () => {
  const page = new Resource({ _embedded: { item: [{ n: 1 }, { n: 2 }] } });
  assert.deepEqual([...page].map((item) => item.get("n")), [1, 2]);
  assert.deepEqual([...new Resource({ _embedded: { item: [] } })], []);
  assert.throws(() => [...new Resource({ _links: links() })], TypeError);
});

const form = (more = {}) => ({
  name: "create", title: "", method: "POST", target: `${ROOT}things`, contentType: "application/x-www-form-urlencoded",
  properties: [{ name: "title" }, { name: "tags" }, { name: "kind", required: true, value: "plain" }, { name: "other", value: "kept" }], ...more,
});

test("a form is sent as it asks for, with what it held and was not asked", async () => {
  const { client, asked } = made(() => reply({ _links: links() }, { status: 201 }));
  await client.submit(form(), { title: "a&b", tags: ["x", "y"] });
  assert.equal(asked[0].body, "title=a%26b&tags=x&tags=y&kind=plain");
  await client.submit(form(), { tags: [] });
  assert.equal(asked[1].body, "tags=&kind=plain");
  await client.submit(form({ method: "GET", target: `${ROOT}things?old=1` }), { title: "b" });
  assert.equal(asked[2].uri, `${ROOT}things?title=b&kind=plain`);
});

test("what a form can tell to be wrong is told without asking", () => {
  const properties = [{ name: "title", required: true, maxLength: 2 }, { name: "tags", minLength: 1, maxLength: 3 }, { name: "due_at" }];
  const of = (values) => flaws(form({ properties }), values);
  assert.deepEqual(of({ title: "🏳️", tags: ["a", "abc"], due_at: null }), []); // two code points
  assert.deepEqual(of({}), []); // what was not touched is not sent
  assert.deepEqual(of({ title: "" }), [["title", "must not be empty"]]);
  assert.deepEqual(of({ title: "abc", tags: ["", "abcd"] }).map(([name]) => name), ["title", "tags", "tags"]);
});

test("a lost reply is asked for again, under the same Idempotency-Key", async () => {
  let lost = 1;
  const { client, asked } = made(() => {
    if (lost--) throw new TypeError("gone");
    return reply({ _links: links() }, { status: 201 });
  });
  await client.submit(form(), {}, { action: "one" });
  assert.deepEqual(asked.map(({ headers }) => headers.get("Idempotency-Key")), ["one", "one"]);
});

test("where a version must be named, what means any version names the current one", async () => {
  const { client, asked } = made(({ method, headers }) =>
    method === "GET" ? reply({ _links: links() }, { ETag: '"7"' })
    : headers.get("If-Match") === '"7"' ? reply(null, { status: 204 }) : problem(428, "precondition-required"));
  await client.submit(form({ method: "DELETE", target: ROOT }));
  assert.deepEqual(asked.map(({ method }) => method), ["DELETE", "GET", "DELETE"]);
});

test("each kind of problem is a kind of error, and knows its fields", async () => {
  const cases = [[401, SignedOut], [403, NotAllowed], [409, Refused], [422, Refused], [429, Later], [503, Later], [500, Problem]];
  for (const [status, kind] of cases) {
    const { client } = made(() => problem(status, "some-name", { detail: "So.", errors: [{ pointer: "/title", detail: "is odd" }, { parameter: "limit", detail: "too" }] }, { "Retry-After": "7" }), new Memory());
    const error = await client.get(ROOT).catch((caught) => caught);
    assert.ok(error instanceof kind, `${status}`);
    assert.equal(error.name, "some-name");
    assert.equal(error.retryAfter, 7);
    assert.deepEqual([...error.fields], [["title", "is odd"], ["limit", "too"]]);
  }
});

test("an answer in another language is an error, too", async () => {
  const { client } = made(() => new Response("<h1>Bad gateway</h1>", { status: 502 }));
  await assert.rejects(client.get(ROOT), Problem);
  const { client: other } = made(() => new Response("<h1>Hello</h1>"));
  await assert.rejects(other.get(ROOT), Unreachable);
});

test("a conflict hands over the current state, with its ETag", async () => {
  const { client } = made(() => problem(412, "stale", { current: { title: "theirs", _links: links() } }, { ETag: '"9"' }));
  const error = await client.put(ROOT, {}, { ifMatch: '"8"' }).catch((caught) => caught);
  assert.ok(error instanceof Conflict);
  assert.equal(error.current.get("title"), "theirs");
  assert.equal(error.current.etag, '"9"');
});

test("patience has an end", async () => {
  const { client } = made(({ signal }) => new Promise((_, refuse) => signal.addEventListener("abort", () => refuse(signal.reason))));
  const error = await client.get(ROOT).catch((caught) => caught);
  assert.ok(error instanceof Unreachable && error.slow);
});

/** A service that knows one access token at a time. */
function service() {
  const state = { token: "a2", renewed: 0, refuse: false };
  const answer = async ({ uri, method, headers, body }) => {
    if (uri === ROOT && !headers.get("Authorization")) return reply({ _links: links({ tokens: `${ROOT}tokens` }) });
    if (uri === `${ROOT}tokens` && method === "GET") {
      const refresh = { method: "POST", target: `${ROOT}tokens`, contentType: "application/json", properties: [{ name: "refresh_token" }] };
      return reply({ _links: links({ self: uri }), _templates: { refresh } });
    }
    if (uri === `${ROOT}tokens`) {
      state.renewed++;
      if (state.refuse) return problem(state.refuse, "token-revoked");
      assert.equal(JSON.parse(body).refresh_token, "r1");
      return reply({ access_token: "a2", refresh_token: "r2", expires_in: 3600, _links: links({ self: `${ROOT}session` }) });
    }
    return headers.get("Authorization") === `Bearer ${state.token}` ? reply({ _links: links() }) : problem(401, "token-expired");
  };
  return { state, answer };
}

test("however many requests find the token expired, it is renewed once", async () => {
  const { state, answer } = service();
  const kept = new Memory(session());
  const clients = [made(answer, kept).client, made(answer, kept).client];
  await Promise.all([1, 2, 3, 4].map((number) => clients[number % 2].get(`${ROOT}thing`)));
  assert.equal(state.renewed, 1);
  assert.equal(kept.read().refresh_token, "r2");
});

test("a refusal signs out; a server that is down does not", async () => {
  const { state, answer } = service();
  for (const [status, out] of [[401, true], [503, false], [500, false], [429, false]]) {
    state.refuse = status;
    const { client, kept } = made(answer);
    let told = 0;
    client.addEventListener("signed-out", () => told++);
    await assert.rejects(client.get(`${ROOT}thing`));
    assert.equal(kept.read() === null, out, `${status}`);
    assert.equal(told, out ? 1 : 0);
  }
});

test("a token is tried before it is kept, and signs nobody out", async () => {
  const { client, kept, asked } = made(({ headers, uri }) =>
    headers.get("Authorization") !== "Bearer good" ? problem(401, "token-invalid")
    : reply({ _links: links({ self: uri, tokens: `${ROOT}tokens` }), _embedded: { item: [{ current: true, expires_at: "2030-01-01T00:00:00Z", _links: links({ self: `${ROOT}own` }) }] } }));
  client.addEventListener("signed-out", () => assert.fail("nobody was"));
  await assert.rejects(client.signInWithToken("bad"), SignedOut);
  assert.equal(kept.read().access_token, "a1");
  assert.equal(asked.length, 1);
  await client.signInWithToken("good");
  assert.equal(kept.read().access_token, "good");
  assert.equal(kept.read().uri, `${ROOT}own`);
});

test("work is done by one at a time, also where there are no locks", async () => {
  let inside = 0;
  const one = () => exclusively("x", async () => {
    assert.equal(++inside, 1);
    await new Promise((resolve) => setTimeout(resolve, 5));
    inside--;
  });
  await Promise.all([one(), one(), one()]);
  await assert.rejects(exclusively("x", () => Promise.reject(new Error("no"))));
  await one();
});

const stream = (...chunks) =>
  new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk));
      controller.close();
    },
  });

test("a stream is read however it is cut", async () => {
  const text = ': hello\r\n\r\nid: 1\r\nevent: change\r\ndata: {"a":\r\ndata: "é"}\r\n\r\nid: 2\nevent: change\ndata: {}\n\n';
  for (const size of [1, 2, 3, 7, 1000]) {
    const chunks = text.match(new RegExp(`[^]{1,${size}}`, "g"));
    const seen = [];
    for await (const event of events(stream(...chunks), new AbortController().signal)) seen.push([event.id, event.event, event.data]);
    assert.deepEqual(seen, [["1", "change", '{"a":\n"é"}'], ["2", "change", "{}"]]);
  }
});

test("a stream that fell silent is given up", async () => {
  const silent = events(new ReadableStream({}), new AbortController().signal, 20);
  await assert.rejects(silent.next(), Unreachable);
});

const change = (name) => `{"uri":"${ROOT}${name}","type":"task","deleted":false,"resource":{}}`;

test("the feed goes on where it was, and is polled where nothing streams", async () => {
  let turn = 0;
  const ending = new AbortController();
  const { client, asked } = made(({ headers, uri }) => {
    if (uri === ROOT) return reply({ _links: links({ changes: `${ROOT}changes` }) });
    if (headers.get("Accept") === "text/event-stream") {
      turn++;
      if (turn === 1) return new Response(stream(`id: c1\nevent: change\ndata: ${change("a")}\n\n`), { headers: { "Content-Type": "text/event-stream" } });
      return reply({});
    }
    return reply({ changes: [JSON.parse(change("b"))], more: false, next_uri: `${ROOT}changes?since=c2` });
  });
  const seen = [];
  for await (const news of client.changes({ signal: ending.signal })) {
    if (news.kind === "change") seen.push(news.change.uri);
    if (seen.length === 3) ending.abort();
  }
  assert.deepEqual(seen, [`${ROOT}a`, `${ROOT}b`, `${ROOT}b`]);
  const feed = asked.filter(({ uri }) => uri !== ROOT);
  assert.equal(feed[1].headers.get("Last-Event-ID"), "c1");
  assert.equal(feed[2].headers.get("Last-Event-ID"), "c1");
  assert.equal(feed[3].uri, `${ROOT}changes?since=c2`);
  assert.match(feed[3].headers.get("Prefer"), /^wait=/);
});

test("who was away for too long is told to begin anew", async () => {
  const ending = new AbortController();
  const { client } = made(({ uri }) => uri === ROOT
    ? reply({ _links: links({ changes: `${ROOT}changes` }) })
    : problem(410, "gone"));
  for await (const news of client.changes({ since: { uri: `${ROOT}changes?since=old` }, signal: ending.signal })) {
    assert.equal(news.kind, "resync");
    ending.abort();
  }
});

// -- the queue

const owner = `${ROOT}me`;
const write = (name, more = {}) => ({ owner, method: "PUT", uri: `${ROOT}${name}`, body: { title: name }, base: { kind: "new" }, label: name, ...more });

/** A store of things with versions, as the service keeps them. */
function things() {
  const kept = new Map();
  let version = 0;
  const show = (uri) => ({ ...kept.get(uri), _links: links({ self: uri }) });
  const answer = ({ method, uri, headers, body }) => {
    const now = kept.get(uri);
    const etag = now && `"${now.version}"`;
    const stale = (headers.get("If-None-Match") === "*" && now) || (headers.get("If-Match") && headers.get("If-Match") !== etag);
    if (method !== "GET" && stale) return now ? problem(412, "stale", { current: show(uri) }, { ETag: etag }) : problem(412, "stale");
    if (method === "PUT") kept.set(uri, { ...JSON.parse(body), version: ++version, updated_at: `2030-01-01T00:00:0${version}Z` });
    if (method === "DELETE") return now && kept.delete(uri) ? reply(null, { status: 204 }) : problem(404, "not-found");
    return kept.has(uri) ? reply(show(uri), { ETag: `"${kept.get(uri).version}"` }) : problem(404, "not-found");
  };
  return { kept, answer };
}

test("writes arrive in order, each on the one before", async () => {
  const { kept, answer } = things();
  const { client, asked } = made(answer);
  const outbox = new Outbox(client, new MemoryWrites());
  await outbox.add(write("a"));
  await outbox.add(write("a", { body: { title: "a2" }, base: { kind: "seen", updated_at: "?" } }));
  await outbox.add(write("b"));
  await outbox.add(write("a", { method: "DELETE", body: undefined }));
  await outbox.replay(owner);
  assert.deepEqual(asked.map(({ method, uri }) => `${method} ${uri.at(-1)}`), ["PUT a", "PUT a", "PUT b", "DELETE a"]);
  assert.equal(asked[1].headers.get("If-Match"), '"1"');
  assert.deepEqual([...kept.keys()], [`${ROOT}b`]);
  assert.deepEqual(await outbox.waiting(owner), []);
});

test("what arrived although its reply was lost does nothing the second time", async () => {
  const { kept, answer } = things();
  let lose = true;
  const { client } = made((asked) => {
    const answered = answer(asked);
    if (lose && asked.method === "PUT") throw ((lose = false), new TypeError("gone"));
    return answered;
  });
  const outbox = new Outbox(client, new MemoryWrites());
  await outbox.add(write("a"));
  await assert.rejects(outbox.replay(owner), Unreachable);
  assert.equal((await outbox.waiting(owner)).length, 1);
  await outbox.replay(owner);
  assert.deepEqual(await outbox.waiting(owner), []);
  assert.equal(kept.get(`${ROOT}a`).version, 1);
});

test("a conflict waits for a decision, and the others go on", async () => {
  const { kept, answer } = things();
  kept.set(`${ROOT}a`, { title: "theirs", due: "soon", version: 5, updated_at: "now" });
  const { client } = made(answer);
  const outbox = new Outbox(client, new MemoryWrites());
  await outbox.add(write("a", { body: { title: "mine", due: "never" }, touched: ["title"], base: { kind: "seen", updated_at: "before" } }));
  await outbox.add(write("b"));
  await outbox.replay(owner);
  const [left] = await outbox.waiting(owner);
  assert.equal(left.state, "conflict");
  assert.equal(left.current.title, "theirs");
  assert.ok(kept.has(`${ROOT}b`));
  await outbox.insist(left);
  await outbox.replay(owner);
  assert.equal(kept.get(`${ROOT}a`).title, "mine");
  assert.equal(kept.get(`${ROOT}a`).due, "soon"); // nobody disagreed about that
});

test("what somebody else wrote stays when the writes behind a conflict are sent, too", async () => {
  const { kept, answer } = things();
  kept.set(`${ROOT}a`, { title: "theirs", due: "soon", done: false, version: 5, updated_at: "now" });
  const outbox = new Outbox(made(answer).client, new MemoryWrites());
  const body = { title: "mine", due: "never", done: false };
  await outbox.add(write("a", { body, touched: ["title"], base: { kind: "seen", updated_at: "before" } }));
  await outbox.add(write("a", { body: { ...body, done: true }, touched: ["done"] }));
  await outbox.replay(owner);
  await outbox.insist((await outbox.waiting(owner))[0]);
  await outbox.replay(owner);
  const { title, due, done } = kept.get(`${ROOT}a`);
  assert.deepEqual({ title, due, done }, { title: "mine", due: "soon", done: true });
});

test("what was deleted elsewhere while it was changed here is a conflict, and can be made again", async () => {
  for (const base of [{ kind: "seen", updated_at: "before" }, { kind: "tag", etag: '"1"' }]) {
    const { kept, answer } = things();
    const gone = new Set([`${ROOT}a`]);
    const { client } = made((asked) => {
      if (asked.headers.get("If-None-Match") === "*") gone.delete(asked.uri);
      return gone.has(asked.uri) ? problem(404, "not-found") : answer(asked);
    });
    const outbox = new Outbox(client, new MemoryWrites());
    await outbox.add(write("a", { base }));
    await outbox.replay(owner);
    const [left] = await outbox.waiting(owner);
    assert.deepEqual([left.state, left.current], ["conflict", undefined]);
    await outbox.insist(left);
    await outbox.replay(owner);
    assert.equal(kept.get(`${ROOT}a`).title, "a");
  }
});

test("a refusal stays with its reason; an outage stops everything", async () => {
  let status = 422;
  const { client } = made(() => problem(status, "x", { errors: [{ pointer: "/title", detail: "is odd" }] }));
  const outbox = new Outbox(client, new MemoryWrites());
  await outbox.add(write("a"));
  await outbox.replay(owner);
  assert.deepEqual((await outbox.waiting(owner)).map((each) => [each.state, each.reason]), [["failed", "title is odd"]]);
  assert.deepEqual((await outbox.waiting(owner))[0].fields, [["title", "is odd"]]);
  for (status of [500, 503, 429]) {
    await outbox.discard(owner, `${ROOT}a`);
    await outbox.add(write("a"));
    await assert.rejects(outbox.replay(owner), Problem);
    assert.equal((await outbox.waiting(owner))[0].state, "waiting");
  }
});

test("one person's writes are not sent as another's", async () => {
  const { client, asked } = made(things().answer);
  const outbox = new Outbox(client, new MemoryWrites());
  await outbox.add(write("a"));
  await outbox.replay(`${ROOT}somebody-else`);
  assert.deepEqual(asked, []);
});

test("values are compared as the service means them", () => {
  assert.ok(same(["b", "a"], ["a", "b"]));
  assert.ok(!same(["a"], ["a", "b"]));
  assert.ok(same("2030-01-01T00:00:00Z", "2030-01-01T01:00:00+01:00"));
  assert.ok(!same(null, ""));
  assert.ok(holds(new Resource({ title: "x", more: 1 }), { title: "x" }));
});
