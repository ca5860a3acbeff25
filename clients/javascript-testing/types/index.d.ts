export { Sandbox } from "./sandbox.js";
export { User } from "./user.js";
export { connect, open, start } from "./server.js";
