// A program in TypeScript that uses the package of the JavaScript client.

import {
  ApiError, Broken, Client, Conflict, ForeignOrigin, LastingWrites, Later, MemoryWrites, Missing, NotAllowed, Outbox,
  Problem, Refused, Resource, SessionStore, SignedOut, Unreachable,
  events, exclusively, expand, flaws, holds, newKey, normal, pause, same,
} from "hyperapi-client";
import type { Base, Field, Form, Json, Link, News, Option, Position, Session, Write, WriteStore } from "hyperapi-client";

const kept: { session: Session | null } = { session: null };
const sessions = {
  read: () => kept.session,
  write(session: Session | null) {
    kept.session = session;
  },
};

export const client: Client = new Client("https://todo.example.org/api/v1/", { sessions, timeout: 1000 });
export const shared: Client = new Client(client.rootUri, { sessions: new SessionStore("mine"), fetch: globalThis.fetch });

export async function titles(): Promise<string[]> {
  const found: string[] = [];
  const tasks: Resource = await client.follow("tasks");
  const create: Form | undefined = tasks.form("create");
  if (create && flaws(create, { title: normal("Milk") }).length === 0) {
    const made: Resource | null = await client.submit(create, { title: "Milk" }, { action: newKey() });
    if (made) await client.put(made.uri, { title: "Bread" }, { ifMatch: made.etag });
  }
  for await (const page of client.pages(tasks)) for (const task of page) found.push(String(task.get("title")));
  for await (const task of client.items(tasks.uri)) found.push(task.uri);
  return found;
}

export async function told(signal: AbortSignal, since?: Position): Promise<News["kind"][]> {
  const kinds: News["kind"][] = [];
  for await (const news of client.changes({ since, signal })) kinds.push(news.kind);
  return kinds;
}

export function explained(error: unknown): string | number | null {
  if (error instanceof Conflict) return error.current?.etag ?? null;
  if (error instanceof Later) return error.retryAfter;
  if (error instanceof Refused || error instanceof SignedOut || error instanceof NotAllowed) return [...error.fields.keys()].join();
  if (error instanceof Missing || error instanceof Broken) return error.status;
  if (error instanceof Problem) return error.document.type;
  if (error instanceof ForeignOrigin) return error.other;
  if (error instanceof Unreachable) return error.slow ? "slow" : "away";
  return error instanceof ApiError ? error.message : null;
}

export async function later(write: Omit<Write, "id" | "state">): Promise<number> {
  const store: WriteStore = indexedDB ? await LastingWrites.open() : new MemoryWrites();
  const outbox = new Outbox(client, store);
  const base: Base = { kind: "tag", etag: '"1"' };
  await outbox.add({ ...write, base });
  await exclusively("replay", () => outbox.replay(write.owner));
  await pause(10);
  return (await outbox.waiting(write.owner)).length;
}

export async function names(body: ReadableStream<Uint8Array>, signal: AbortSignal): Promise<string[]> {
  const seen: string[] = [];
  for await (const event of events(body, signal)) seen.push(event.event);
  return seen;
}

export const link: Link = { href: expand("/t{?q}", { q: "milk" }) };
export const field: Field = { name: "priority", options: { inline: [{ prompt: "High", value: "high" } satisfies Option] } };
export const alike: boolean = same(["a"], ["a"]) && holds(new Resource({} satisfies Json), {});

// @ts-expect-error - a client needs a root
new Client();

// @ts-expect-error - an ETag is text
client.put("https://todo.example.org/1", {}, { ifMatch: 1 });

// @ts-expect-error - there is no such kind of news
export const kind: News["kind"] = "gossip";

// @ts-expect-error - what is private stays so
client.checkOrigin("https://todo.example.org/");
