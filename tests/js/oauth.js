/** oauth4webapi as it comes: from the metadata to tokens, and on. Its user answers on standard input. */

import { createInterface } from "node:readline/promises";
import * as oauth from "oauth4webapi";

const [service, redirectUri] = process.argv.slice(2);
const insecure = { [oauth.allowInsecureRequests]: true };
const client = { client_id: "hyper" };
const nobody = oauth.None();

const place = new URL(service);
const resource = await oauth.processResourceDiscoveryResponse(
  place, await oauth.resourceDiscoveryRequest(place, insecure));
const issuer = new URL(resource.authorization_servers[0]);
const found = await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...insecure });
const server = await oauth.processDiscoveryResponse(issuer, found);

const verifier = oauth.generateRandomCodeVerifier();
const state = oauth.generateRandomState();
const page = new URL(server.authorization_endpoint);
page.search = new URLSearchParams({
  client_id: client.client_id,
  redirect_uri: redirectUri,
  response_type: "code",
  scope: "tasks:read",
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: "S256",
  state,
});
console.log(page.href);

const input = createInterface({ input: process.stdin });
const cameBack = new URL(await input.question(""));
input.close();
const answer = oauth.validateAuthResponse(server, client, cameBack, state);
const granted = await oauth.processAuthorizationCodeResponse(server, client,
  await oauth.authorizationCodeGrantRequest(server, client, nobody, answer, redirectUri, verifier, insecure));
const lists = new URL("/api/v1/lists", service);
const ask = async ({ access_token }) => {
  const headers = new Headers();
  return (await oauth.protectedResourceRequest(access_token, "GET", lists, headers, null, insecure)).status;
};
if (granted.scope === "tasks:read" && (await ask(granted)) === 200) console.log("granted");

const refreshed = await oauth.processRefreshTokenResponse(server, client,
  await oauth.refreshTokenGrantRequest(server, client, nobody, granted.refresh_token, insecure));
if ((await ask(refreshed)) === 200) console.log("refreshed");

await oauth.processRevocationResponse(
  await oauth.revocationRequest(server, client, nobody, refreshed.refresh_token, insecure));
if ((await ask(refreshed).catch((error) => error.status)) === 401) console.log("revoked");

cameBack.searchParams.set("iss", "https://evil.example");
try {
  oauth.validateAuthResponse(server, client, cameBack, state);
} catch {
  console.log("mixed-up");
}
