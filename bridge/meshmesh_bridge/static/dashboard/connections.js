/* The connections, and what can be done with one. */

import { refresh } from "./live.js";
import { ago, ahead, ask, button, el, facts, link, say } from "./page.js";
import { api } from "./service.js";
import { begun } from "./sign_in.js";

const STATUS = {
  connected: "Connected",
  refreshing: "Refreshing",
  needs_you: "Needs you",
  blocked: "Blocked by org",
  offline: "Offline",
};

function kindOf(connection) {
  const production = connection.kind === "production";
  return el("span", { class: production ? "kind production" : "kind" }, production ? "PRODUCTION" : connection.kind);
}

function stateOf(connection) {
  const reason = connection.reason ? `: ${connection.reason.replaceAll("_", " ")}` : "";
  const word = (STATUS[connection.status] ?? connection.status) + reason;
  return el("p", { class: `state ${connection.status}` }, el("span", { class: "dot", "aria-hidden": "true" }), word);
}

function path(connection) {
  return `/v1/connections/${encodeURIComponent(connection.name)}`;
}

function sessionOf(connection) {
  const ends = ahead(connection.session?.expires_at);
  return connection.session ? (ends ? `ends ${ends}, then renews itself` : "renews itself") : null;
}

export function card(connection, { details = false } = {}) {
  const used = ago(connection.last_used_at);
  const name = connection.name;
  const reconnect = button("Reconnect", () => signInAgain(connection), {
    id: `reconnect-${name}`,
    class: connection.status === "needs_you" ? "first" : null,
    "aria-label": `Reconnect ${name}`,
  });
  return el(
    "article",
    { class: connection.kind === "production" ? "card production" : "card", id: `connection-${name}` },
    el("h2", null, el("a", { href: `/connections/${encodeURIComponent(name)}` }, name), " ", kindOf(connection)),
    stateOf(connection),
    connection.detail ? el("p", null, connection.detail) : null,
    facts([
      ["Org", connection.org_name],
      ["User", connection.username],
      ["Last used", used && (connection.last_used_by ? `${used} by ${connection.last_used_by}` : used)],
      ["Session", sessionOf(connection)],
      ...(details ? detailsOf(connection) : []),
    ]),
    el(
      "p",
      { class: "buttons" },
      reconnect,
      button("Test", () => test(connection), { id: `test-${name}`, "aria-label": `Test ${name}` }),
      details ? null : link(`/connections/${encodeURIComponent(name)}`, "Details", { class: "button", "aria-label": `Details of ${name}` }),
      button("Disconnect", () => disconnect(connection), {
        id: `disconnect-${name}`,
        class: "danger",
        "aria-label": `Disconnect ${name}`,
      }),
    ),
  );
}

function detailsOf(connection) {
  const grants = connection.grants.map((grant) => `${grant.client} (${grant.mode}${grant.raw_token ? ", token" : ""})`);
  return [
    ["Signed in", ago(connection.signed_in_at)],
    ["Login host", connection.login_host],
    ["Instance", connection.instance_url],
    ["Org id", connection.org_id],
    ["API version", connection.api_version],
    ["Client ID", connection.app?.client_id],
    ["Flow", connection.app?.flow],
    ["Permissions", connection.scopes.join(" ")],
    ["Used by", grants.join(", ") || "no program yet"],
    ["Address for programs", connection.broker_url],
  ];
}

async function signInAgain(connection) {
  await begun(api("POST", `${path(connection)}/reconnect`, {}), `Reconnect ${connection.name}`);
}

async function test(connection) {
  say(`Testing ${connection.name} ...`);
  const found = await api("POST", `${path(connection)}/test`, {});
  say(found.detail ? `${found.name}: ${found.detail}` : `${found.name} answers.`);
  await refresh();
}

async function disconnect(connection) {
  const sure = await ask(
    `Disconnect ${connection.name}?`,
    ["Its tokens are revoked at Salesforce and forgotten here. Programs that use it lose it at once."],
    { buttons: [["Disconnect", () => true]] },
  );
  if (!sure) return;
  const ended = await api("DELETE", path(connection));
  say(`${connection.name} is disconnected. ${ended.detail ?? ""}`);
  await refresh();
}
