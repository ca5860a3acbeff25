import { describe } from "vitest";
import { test } from "hyperapi-testing/vitest";
import { anHour, lostReply, twoUsers, wrong } from "./stories.js";

describe.concurrent("side by side", () => {
  for (const name of ["one", "other"]) test(name, ({ makeUser }) => twoUsers({ makeUser }));
  test("an hour", ({ makeUser, clock, sandbox }) => anHour({ makeUser, clock, root: sandbox.root }));
  test("a lost reply", ({ makeUser, faults }) => lostReply({ makeUser, faults }));
  test("wrong", ({ makeUser }) => wrong({ makeUser }));
});
