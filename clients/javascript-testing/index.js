/** hyperapi in tests: {@link open} a sandbox, and make a {@link Sandbox#namespace} for each test. */

export { connect, open, start } from "./server.js";
export { Sandbox } from "./sandbox.js";
export { User } from "./user.js";
