const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];

export default {
  fullyParallel: true,
  globalSetup: "./serve-page.js",
  testMatch: "*.spec.js",
  workers: 1,
  use: { baseURL: process.env.PAGE_URL, launchOptions: { executablePath: process.env.CHROMIUM, args } },
};
