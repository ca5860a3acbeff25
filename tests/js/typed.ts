// A client that knows the API by the types that openapi-typescript made of its description.

import type { components, operations, paths } from "./api.ts";

type Json<Name extends keyof operations, Status extends keyof operations[Name]["responses"]> =
  operations[Name]["responses"][Status] extends { content: { "application/json": infer Body } } ? Body : never;

type Task = components["schemas"]["Task"];
type Question = NonNullable<operations["get_tasks"]["parameters"]["query"]>;

export const question: Question = { done: false, tag: ["dairy"], due_before: "2030-01-31T09:00:00Z", limit: 10 };

export const titles = (page: Json<"get_tasks", 200>): string[] => page.tasks.map((task: Task) => task.title);

export const following = (page: Json<"get_tasks", 200>): string | null => page.next_uri;

export const made: Json<"create_list", 201>["uri"] = "https://todo.example.org/lists/1";

export const form = (
  list: operations["get_list"]["responses"][200]["content"]["application/prs.hal-forms+json"],
): string | undefined => list._templates.edit?.target;

export const told = (problem: components["schemas"]["InvalidProblem"]): string[] =>
  problem.errors.map((error) => `${error.pointer} ${error.detail}`);

export const signIn: components["schemas"]["SignIn"] = { username: "alice", password: "secret", label: "" };

// @ts-expect-error - the priority of a task is one of four words
export const urgent: Task["priority"] = "urgent";

// @ts-expect-error - there is no such path
export type Nothing = paths["/api/v1/nothing"];
