/** A signed-in client of a user that a sandbox has made. */
export class User extends Client {
    /**
     * @param {string} root
     * @param {import("hyperapi-client").Resource} made
     */
    constructor(root: string, made: import("hyperapi-client").Resource);
    /** @type {string} */
    username: string;
    /** For signing in elsewhere, such as on a page. @type {string} */
    password: string;
}
import { Client } from "hyperapi-client";
