export default { test: { globalSetup: ["hyperapi-testing/global-setup"], include: ["*vitest.test.js"] } };
