// The tasks API as users of Fastify and better-sqlite3 write it: JSON schemas for requests and
// replies, prepared statements, @fastify/jwt for tokens and @fastify/etag for 304.
// usage: node server.js PORT, with BENCHMARK_DATABASE and BENCHMARK_SECRET_KEY

import etag from "@fastify/etag";
import jwt from "@fastify/jwt";
import Database from "better-sqlite3";
import Fastify from "fastify";

const PAGE = 25;
const PRIORITIES = ["none", "low", "medium", "high"];
const COLUMNS = `id, list_id, title, description, done, due_at, priority, tags, completed_at,
  created_at, updated_at`;

const db = new Database(process.env.BENCHMARK_DATABASE, { fileMustExist: true });
db.pragma("journal_mode = WAL");
db.pragma("synchronous = FULL");
db.pragma("foreign_keys = ON");

const sql = {
  session: db.prepare(
    `SELECT user.id, user.username FROM session JOIN user ON user.id = session.user_id
     WHERE session.id = ?`,
  ),
  list: db.prepare("SELECT id FROM list WHERE id = ? AND user_id = ?"),
  page: db.prepare(
    `SELECT ${COLUMNS} FROM task WHERE list_id = ? ORDER BY created_at, id LIMIT ? OFFSET ?`,
  ),
  task: db.prepare(
    `SELECT ${COLUMNS} FROM task
     WHERE id = ? AND list_id IN (SELECT id FROM list WHERE user_id = ?)`,
  ),
  create: db.prepare(
    `INSERT INTO task (list_id, title, description, done, due_at, priority, tags, created_at,
       updated_at)
     VALUES (@list, @title, @description, 0, @due_at, @priority, @tags, @now, @now)
     RETURNING ${COLUMNS}`,
  ),
  update: db.prepare(
    `UPDATE task SET title = @title, description = @description, done = @done, due_at = @due_at,
       priority = @priority, tags = @tags, completed_at = @completed_at, updated_at = @now
     WHERE id = @id RETURNING ${COLUMNS}`,
  ),
};

const id = { type: "object", properties: { id: { type: "integer", minimum: 1 } } };
const members = {
  title: { type: "string", minLength: 1, maxLength: 200 },
  description: { type: "string", maxLength: 5000 },
  done: { type: "boolean" },
  due_at: { type: ["string", "null"], format: "date-time" },
  priority: { type: "string", enum: PRIORITIES },
  tags: { type: "array", maxItems: 20, items: { type: "string", minLength: 1, maxLength: 50 } },
};
const newTask = {
  type: "object",
  required: ["title"],
  additionalProperties: false,
  properties: members,
};
const changes = { type: "object", additionalProperties: false, properties: members };
const instant = { type: "string" };
const task = {
  type: "object",
  properties: {
    uri: { type: "string" },
    ...members,
    completed_at: { type: ["string", "null"] },
    created_at: instant,
    updated_at: instant,
    list_uri: { type: "string" },
  },
};
const page = {
  type: "object",
  properties: {
    tasks: { type: "array", items: task },
    prev_uri: { type: ["string", "null"] },
    next_uri: { type: ["string", "null"] },
  },
};
const pageQuery = {
  type: "object",
  properties: { page: { type: "integer", minimum: 1, default: 1 } },
};

const app = Fastify({ logger: true });
app.register(jwt, { secret: process.env.BENCHMARK_SECRET_KEY });
app.register(etag);

app.addHook("onRequest", async (request, reply) => {
  const { session } = await request.jwtVerify();
  request.principal = sql.session.get(session);
  if (!request.principal) return reply.code(401).send({ message: "Sign in again." });
});

app.get(
  "/api/lists/:id/tasks",
  { schema: { params: id, querystring: pageQuery, response: { 200: page } } },
  async (request, reply) => {
    const list = sql.list.get(request.params.id, request.principal.id);
    if (!list) return notFound(reply);
    const number = request.query.page;
    const rows = sql.page.all(list.id, PAGE + 1, (number - 1) * PAGE);
    const base = baseOf(request);
    const link = (other) => `${base}/lists/${list.id}/tasks?page=${other}`;
    return {
      tasks: rows.slice(0, PAGE).map((row) => represent(row, base)),
      prev_uri: number > 1 ? link(number - 1) : null,
      next_uri: rows.length > PAGE ? link(number + 1) : null,
    };
  },
);

app.post(
  "/api/lists/:id/tasks",
  { schema: { params: id, body: newTask, response: { 201: task } } },
  async (request, reply) => {
    const list = sql.list.get(request.params.id, request.principal.id);
    if (!list) return notFound(reply);
    const made = represent(
      sql.create.get({ ...stored(request.body), list: list.id, now: now() }),
      baseOf(request),
    );
    return reply.code(201).header("location", made.uri).send(made);
  },
);

app.get(
  "/api/tasks/:id",
  { schema: { params: id, response: { 200: task } } },
  async (request, reply) => {
    const row = sql.task.get(request.params.id, request.principal.id);
    return row ? represent(row, baseOf(request)) : notFound(reply);
  },
);

const change = db.transaction((key, owner, sent) => {
  const row = sql.task.get(key, owner);
  if (!row) return undefined;
  const time = now();
  const values = stored({ ...membersOf(row), ...sent });
  values.completed_at = values.done ? (row.completed_at ?? time) : null;
  return sql.update.get({ ...values, id: row.id, now: time });
});

app.patch(
  "/api/tasks/:id",
  { schema: { params: id, body: changes, response: { 200: task } } },
  async (request, reply) => {
    const row = change.immediate(request.params.id, request.principal.id, request.body);
    return row ? represent(row, baseOf(request)) : notFound(reply);
  },
);

function notFound(reply) {
  return reply.code(404).send({ message: "Not found." });
}

function baseOf(request) {
  return `${request.protocol}://${request.host}/api`;
}

// An instant as the database stores it: 2026-01-01 00:00:00.000000
function storedInstant(date) {
  return date.toISOString().replace("T", " ").replace("Z", "000");
}

function now() {
  return storedInstant(new Date());
}

function instantOf(text) {
  return text && `${text.replace(" ", "T").replace(".000000", "")}Z`;
}

function membersOf(row) {
  return {
    title: row.title,
    description: row.description,
    done: Boolean(row.done),
    due_at: instantOf(row.due_at),
    priority: PRIORITIES[row.priority],
    tags: row.tags ? row.tags.split("\n") : [],
  };
}

function stored(sent) {
  return {
    title: sent.title,
    description: sent.description ?? "",
    done: sent.done ? 1 : 0,
    due_at: sent.due_at ? storedInstant(new Date(sent.due_at)) : null,
    priority: PRIORITIES.indexOf(sent.priority ?? "none"),
    tags: (sent.tags ?? []).join("\n"),
  };
}

function represent(row, base) {
  return {
    uri: `${base}/tasks/${row.id}`,
    ...membersOf(row),
    completed_at: instantOf(row.completed_at),
    created_at: instantOf(row.created_at),
    updated_at: instantOf(row.updated_at),
    list_uri: `${base}/lists/${row.list_id}`,
  };
}

await app.listen({ host: "127.0.0.1", port: Number(process.argv[2]) });
