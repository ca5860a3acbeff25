import { expect } from "@playwright/test";
import { test } from "hyperapi-testing/playwright";
import { anHour, lostReply, twoUsers, wrong } from "./stories.js";

test("a page has a namespace of its own", async ({ page, makeUser, faults }) => {
  const ann = await makeUser("ann", { lists: ["Work"] });
  await faults.add({ cut: "before", method: "GET", route: "lists" }); // the page reads them again
  await page.goto("/");
  await page.getByLabel("User name").fill(ann.username);
  await page.getByLabel("Password").fill(ann.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("listitem")).toHaveText(["Work"]);
  expect(await faults.left()).toEqual([]);
});

test("two users", ({ makeUser }) => twoUsers({ makeUser }));
test("an hour", ({ makeUser, clock, sandbox }) => anHour({ makeUser, clock, root: sandbox.root }));
test("a lost reply", ({ makeUser, faults }) => lostReply({ makeUser, faults }));
test("wrong", ({ makeUser }) => wrong({ makeUser }));
