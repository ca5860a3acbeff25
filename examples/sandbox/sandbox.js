// A throw-away hyperapi for tests, and clients that follow its links. No dependencies: Node 20.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

// How the sandbox is started: the command `hyperapi`, unless HYPERAPI_COMMAND says otherwise.
const [command, ...before] = JSON.parse(process.env.HYPERAPI_COMMAND ?? '["hyperapi"]');

/** Starts a sandbox. It ends when `stop` is called, or with this process. */
export async function startSandbox(...options) {
  const server = spawn(command, [...before, "sandbox", ...options], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await Promise.race([
    once(createInterface(server.stdout), "line"),
    once(server, "exit").then(([status]) => {
      throw new Error(`the sandbox ended with ${status}`);
    }),
  ]);
  const { root, users } = JSON.parse(line);
  const { control_uri: control } = await new Client().get(root);
  return {
    root,
    users,
    control: await new Client().get(control),
    async stop() {
      server.kill();
      await once(server, "exit");
    },
  };
}

/** Somebody at the API: nobody, or whoever has the token. */
export class Client {
  constructor(token) {
    this.token = token;
  }

  /** The document at a URI that a link gave, or what comes of a request to it. */
  async ask(method, uri, body) {
    const headers = { "Content-Type": "application/json" };
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    const response = await fetch(uri, { method, headers, body: body && JSON.stringify(body) });
    const text = await response.text();
    const document = text ? JSON.parse(text) : null;
    if (!response.ok) {
      throw Object.assign(new Error(document?.detail), { status: response.status, document });
    }
    return document;
  }

  get(uri) {
    return this.ask("GET", uri);
  }
}

/** A new user of a sandbox, signed in: a client, and where its lists and tasks are. */
export async function makeUser(sandbox, username) {
  const user = await new Client().ask("POST", sandbox.control.users_uri, { username });
  return Object.assign(new Client(user.access_token), user);
}
