/** The sandbox of a worker. @param {object} fixtures @param {(server: Sandbox) => Promise<void>} use */
export function server({}: object, use: (server: Sandbox) => Promise<void>): Promise<void>;
export namespace PARTS {
    function makeUser({ sandbox }: {
        sandbox: Sandbox;
    }, use: (part: Sandbox["makeUser"]) => Promise<void>): Promise<void>;
    function clock({ sandbox }: {
        sandbox: Sandbox;
    }, use: (part: Sandbox["clock"]) => Promise<void>): Promise<void>;
    function faults({ sandbox }: {
        sandbox: Sandbox;
    }, use: (part: Sandbox["faults"]) => Promise<void>): Promise<void>;
}
export type Sandbox = import("./sandbox.js").Sandbox;
/**
 * what each test may ask for
 */
export type Fixtures = {
    /**
     * a namespace of its own
     */
    sandbox: Sandbox;
    makeUser: Sandbox["makeUser"];
    clock: Sandbox["clock"];
    faults: Sandbox["faults"];
};
