// Walks from the root of a service with bookmarks by the JavaScript client, which knows no resource by name.

import assert from "node:assert/strict";
import { Client, Conflict } from "../../clients/javascript/hyperapi.js";

const [root, username, password] = process.argv.slice(2);
let kept = null;
const client = new Client(root, { sessions: { read: () => kept, write: (session) => { kept = session; } } });
await client.register({ username, password });
await client.signIn({ username, password });

let bookmarks = await client.follow("bookmarks");
for (const title of ["a", "b", "c"]) {
  await client.submit(bookmarks.form("create"), { url: `https://example.org/${title}`, title });
}
const paged = await client.submit(bookmarks.form("search"), { limit: 2 });
const titles = [];
for await (const item of client.items(paged)) titles.push(item.get("title"));
assert.deepEqual(titles, ["a", "b", "c"]);

const [first] = paged.items;
const seen = await client.get(first.uri);
const edited = await client.submit(seen.form("mark-read"), {}, { ifMatch: seen.etag });
assert.equal(edited.get("unread"), false);
assert.equal(edited.form("mark-read"), undefined);
await assert.rejects(client.submit(seen.form("edit"), { title: "late" }, { ifMatch: seen.etag }), Conflict);

bookmarks = await client.follow("bookmarks");
const marked = await client.submit(bookmarks.form("mark-all-read"));
assert.equal(marked.get("count"), 2);
await client.submit(edited.form("delete"));
const feed = await client.follow("changes");
assert.deepEqual(feed.get("changes").map((change) => change.type), ["bookmark", "bookmark"]);
