// An OAuth server that nobody here wrote, the certified oidc-provider, at Salesforce's addresses. What it grants, proves,
// rotates and revokes is its own affair, and so are its pages; the layer around it adds what Salesforce answers besides
// (`instance_url`, `id`, `issued_at`, the org's REST), and takes away what Salesforce does not send (`expires_in`).
// It prints `origin http://localhost:PORT`; SIGTERM ends it. Whoever signs in is who they say they are.
import crypto from "node:crypto";
import http from "node:http";
import { Provider } from "oidc-provider";

const ORG = "00D000000000001EAA";
const OAUTH = "/services/oauth2";
const SCOPES = ["api", "refresh_token", "offline_access", "id", "openid", "web", "full"];
const HOURS = 3600;

const server = http.createServer();
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const origin = `http://localhost:${server.address().port}`;

const app = (client_id, settings) => ({
  client_id,
  application_type: "native", // its callback on the loopback may have any port (RFC 8252, section 7.3)
  redirect_uris: ["http://localhost/OauthRedirect"],
  response_types: ["code"],
  grant_types: ["authorization_code", "refresh_token"],
  token_endpoint_auth_method: "client_secret_post",
  scope: SCOPES.join(" "),
  ...settings,
});
const apps = [
  app("PlatformCLI", { token_endpoint_auth_method: "none" }),
  app("3MVG9.confidential", { client_secret: "confidential-secret", scope: "api refresh_token" }),
  app("3MVG9.robot", {
    client_secret: "robot-secret",
    grant_types: ["client_credentials"],
    redirect_uris: [],
    response_types: [],
    scope: "api",
  }),
];

const provider = new Provider(origin, {
  clients: apps,
  scopes: SCOPES,
  routes: {
    authorization: `${OAUTH}/authorize`,
    token: `${OAUTH}/token`,
    revocation: `${OAUTH}/revoke`,
    introspection: `${OAUTH}/introspect`,
  },
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: (_, client, token) => client.clientId === token.clientId },
    revocation: { enabled: true, allowedPolicy: () => true }, // whoever has a token may end it
    userinfo: { enabled: false },
  },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  revokeGrantPolicy: () => true, // with any of its tokens
  issueRefreshToken: (_, client, code) => client.grantTypeAllowed("refresh_token") && code.scopes.has("refresh_token"),
  // Each sign-in is a grant of its own, as at Salesforce, so that the end of one leaves the others alone.
  loadExistingGrant: ({ oidc }) => oidc.result?.consent && provider.Grant.find(oidc.result.consent.grantId),
  findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  renderError(ctx, { error, error_description: said = "" }) {
    const code = error === "invalid_client" ? "invalid_client_id" : error;
    ctx.body = `error=${code}&error_description=${encodeURIComponent(said)}`;
  },
  cookies: { keys: ["of no use beyond this test"] },
  jwks: { keys: [crypto.generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" })] },
  ttl: { AccessToken: 2 * HOURS, ClientCredentials: 2 * HOURS, RefreshToken: 24 * HOURS, Grant: 24 * HOURS,
    Session: HOURS, Interaction: HOURS, AuthorizationCode: 60 },
});
const respond = provider.callback();

// A user's 18-character id, from their name: the checksum of the upper case letters, of which there are none.
const userId = (name) => `005${crypto.createHash("sha256").update(name).digest("hex").slice(0, 12)}AAA`;
const bare = (token) => (token ?? "").replace(/^00D\w{12}!/, "");

async function holder(request) {
  const token = bare(request.headers.authorization?.replace(/^Bearer /, ""));
  const found = token && ((await provider.AccessToken.find(token)) ?? (await provider.ClientCredentials.find(token)));
  const alive = found?.isValid && (!found.grantId || (await provider.Grant.find(found.grantId)));
  return alive ? (found.accountId ?? found.clientId) : undefined;
}

function send(response, status, body, type = "application/json;charset=UTF-8") {
  response.writeHead(status, { "content-type": type }).end(typeof body === "string" ? body : JSON.stringify(body));
}

async function text(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

// The token answer is completed on its way out.
function token(request, response) {
  const end = response.end.bind(response);
  response.end = async (body) => {
    const answer = JSON.parse(body);
    if (answer.access_token) {
      delete answer.expires_in;
      const found = (await provider.AccessToken.find(answer.access_token)) ?? { accountId: "robot" };
      const id = `${origin}/id/${ORG}/${userId(found.accountId)}`;
      const access_token = `${ORG.slice(0, 15)}!${answer.access_token}`;
      Object.assign(answer, { access_token, id, instance_url: origin, issued_at: String(Date.now()), signature: "x" });
      answer.scope ??= "api";
    }
    const completed = JSON.stringify(answer);
    response.setHeader("content-length", Buffer.byteLength(completed));
    end(completed);
  };
  return respond(request, response);
}

// Salesforce takes a token as it was given, and asks nobody who revokes; this server wants its own form, from an app.
async function aboutToken(request, response) {
  const form = new URLSearchParams(await text(request));
  form.set("token", bare(form.get("token")));
  if (!form.has("client_id")) form.set("client_id", "PlatformCLI");
  request.body = form.toString(); // an already read body is taken from here
  return respond(request, response);
}

async function userinfo(request, response) {
  const name = await holder(request);
  if (!name) return send(response, 403, "Bad_OAuth_Token", "text/html");
  return send(response, 200, { user_id: userId(name), organization_id: ORG, preferred_username: name });
}

async function rest(request, response, path) {
  if (path === "/services/data") return send(response, 200, [{ version: "66.0", url: "/services/data/v66.0" }]);
  if (!(await holder(request))) {
    return send(response, 401, [{ message: "Session expired or invalid", errorCode: "INVALID_SESSION_ID" }]);
  }
  if (!path.endsWith("/query")) return send(response, 200, {});
  const record = { Name: "Peer", IsSandbox: false, OrganizationType: "Enterprise Edition", TrialExpirationDate: null };
  return send(response, 200, { totalSize: 1, done: true, records: [record] });
}

server.on("request", (request, response) => {
  const { pathname } = new URL(request.url, origin);
  if (pathname === `${OAUTH}/token`) return token(request, response);
  if (pathname === `${OAUTH}/revoke` || pathname === `${OAUTH}/introspect`) return aboutToken(request, response);
  if (pathname === `${OAUTH}/userinfo`) return userinfo(request, response);
  if (pathname.startsWith("/services/data")) return rest(request, response, pathname);
  return respond(request, response);
});

process.on("SIGTERM", () => {
  server.close(() => process.exit(0));
  server.closeAllConnections();
});
console.log(`origin ${origin}`);
