// The JavaScript client against a sandbox that fails on demand. HYPERAPI_ROOT names its root.

import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { Broken, Client, Later, SignedOut, Unreachable } from "../../clients/javascript/hyperapi.js";

const ROOT = process.env.HYPERAPI_ROOT;
let control, client, lists, session, namespace;

const send = async (method, uri, body) => {
  const headers = { "Content-Type": "application/json" };
  const reply = await fetch(uri, { method, headers, body: body && JSON.stringify(body) });
  return reply.status === 204 ? null : reply.json();
};

const plan = (fault, match = {}, count = 1) => send("POST", control.faults_uri, { match, count, fault });

const left = async () => (await send("GET", control.faults_uri)).faults.length;

const create = (title) => client.submit(lists.form("create"), { title });

/** The lists with a title, read without the client and its cache. */
const rows = async (title) => {
  const headers = { Authorization: `Bearer ${session.access_token}` };
  const { lists: found } = await (await fetch(lists.uri, { headers })).json();
  return found.filter((each) => each.title === title).length;
};

before(async () => {
  const { control_uri: above } = await send("GET", ROOT);
  const { namespaces_uri } = await send("GET", above);
  namespace = await send("POST", namespaces_uri, { users: [{ username: "ann" }] });
  control = await send("GET", namespace.control_uri);
  const [{ access_token, refresh_token, expires_in }] = namespace.users;
  const life = 1000 * expires_in;
  session = { access_token, refresh_token, life, ends: Date.now() + life, uri: namespace.root_uri };
  const sessions = { read: () => session, write: (now) => void (session = now) };
  client = new Client(namespace.root_uri, { sessions, timeout: 1000 });
  lists = await client.follow("lists");
});

after(() => send("DELETE", namespace.uri));

beforeEach(() => send("DELETE", control.faults_uri));

for (const fault of [{ cut: "before" }, { cut: "after" }, { truncate: 10 }]) {
  test(`a POST is sent again and counts once: ${JSON.stringify(fault)}`, async () => {
    const title = JSON.stringify(fault);
    await plan(fault, { method: "POST", route: "lists", user: "ann" });
    assert.equal((await create(title)).get("title"), title);
    assert.equal(await left(), 0);
    assert.equal(await rows(title), 1);
  });
}

test("a POST that never gets a reply is an error, and the same action tries it again", async () => {
  await plan({ cut: "after" }, { method: "POST" }, 2);
  const action = "again-and-again";
  const submit = () => client.submit(lists.form("create"), { title: "Once" }, { action });
  await assert.rejects(submit(), (error) => error instanceof Unreachable && !error.slow);
  await submit();
  assert.equal(await rows("Once"), 1);
});

test("a GET is sent again", async () => {
  for (const fault of [{ cut: "before" }, { truncate: 10 }]) {
    client.seen.clear();
    await plan(fault, { method: "GET", route: "lists" });
    assert.equal((await client.get(lists.uri)).uri, lists.uri);
    assert.equal(await left(), 0);
  }
  await plan({ cut: "before" }, { method: "GET" }, 2);
  await assert.rejects(client.get(lists.uri), Unreachable);
});

test("an expired token is refreshed, and the request sent again", async () => {
  const { access_token } = session;
  await plan({ token: "expired" }, { method: "POST", route: "lists" });
  await create("Refreshed");
  assert.notEqual(session.access_token, access_token);
  assert.equal(await rows("Refreshed"), 1);
});

test("a token that stays expired is an error, and the session stays", async () => {
  await plan({ token: "expired" }, { route: "lists" }, 2);
  await assert.rejects(create("Never"), SignedOut);
  assert.ok(session);
  assert.equal(await rows("Never"), 0);
});

test("a server that is busy says when to try again", async () => {
  for (const [fault, seconds] of [[{ status: 503, retry_after: 3 }, 3], [{ status: 429 }, 1], [{ disk: "full" }, 1]]) {
    await plan(fault, { method: "POST" });
    await assert.rejects(create("Later"), (error) => error instanceof Later && error.retryAfter === seconds);
  }
  await plan({ status: 500 }, { method: "POST" });
  await assert.rejects(create("Later"), Broken);
  assert.equal(await rows("Later"), 0);
});

test("a slow body arrives, and one that is too slow ends with the timeout", async () => {
  client.seen.clear();
  await plan({ slow: 0.2 }, { route: "lists" });
  assert.equal((await client.get(lists.uri)).uri, lists.uri);
  client.seen.clear();
  await plan({ slow: 30 }, { route: "lists" });
  await assert.rejects(client.get(lists.uri), (error) => error instanceof Unreachable && error.slow);
});

test("a delay that is too long ends with the timeout, and the POST counts once", async () => {
  await plan({ delay: 1.5 }, { method: "POST" });
  await create("Delayed");
  assert.equal(await rows("Delayed"), 1);
});
