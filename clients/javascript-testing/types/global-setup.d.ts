/** Open a sandbox and name it in the environment of the workers. @returns {Promise<() => Promise<void>>} its end */
export default function setup(): Promise<() => Promise<void>>;
