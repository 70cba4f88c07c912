/* Programs that ask to be paired: what they say and what was seen, apart. */

import { refresh } from "./live.js";
import { button, el, facts, field, say } from "./page.js";
import { api, asPerson } from "./service.js";

const MODES = { read: "Read: looks, changes nothing", plan: "Plan: changes wait for you", build: "Build: changes at once" };
const DURATIONS = [["", "until I revoke it"], ["3600", "1 hour"], ["28800", "8 hours"], ["2592000", "30 days"]];

export function pairingCard(asked, connections) {
  const wants = asked.wants.length ? asked.wants : [{ connection: null, mode: "read", raw_token: false, purpose: null }];
  const rows = wants.map((want, place) => grantRow(asked, want, place, connections));
  const duration = el("select", null, DURATIONS.map(([value, label]) => el("option", { value }, label)));
  const approve = async () => {
    const expires = duration.value ? { expires_in: Number(duration.value) } : {};
    const grants = rows.map((row) => row.grant()).filter(Boolean).map((grant) => ({ ...grant, ...expires }));
    await asPerson("POST", `/v1/pairings/${asked.user_code}/approve`, { grants });
    say(`${asked.client_name} is paired.`);
    await refresh();
  };
  const deny = async () => {
    await api("POST", `/v1/pairings/${asked.user_code}/deny`, {});
    say(`${asked.client_name} was turned away.`);
    await refresh();
  };
  return el(
    "article",
    { class: "card", id: `pairing-${asked.user_code}` },
    el("h2", null, `${asked.client_name} wants to be paired`),
    el("p", null, "Approve only if the program shows this code:"),
    el("p", { class: "code" }, asked.user_code),
    el("div", { class: "sides" },
      el("div", null, el("strong", null, "It says"), facts([["Name", asked.claimed.name], ["Kind", asked.claimed.kind]])),
      el("div", null, el("strong", null, "We saw"), facts(seen(asked.seen)))),
    rows.map((row) => row.element),
    field("For how long", duration),
    el("p", { class: "buttons" },
      button("Approve", approve, { id: `approve-${asked.user_code}`, class: "first" }),
      button("Deny", deny, { id: `deny-${asked.user_code}`, class: "danger" })),
  );
}

function seen(found) {
  return [
    ["Program", found.exe ?? "not known"],
    ["Started by", found.parent],
    ["Folder", found.cwd],
    ["User id", found.uid === null ? "not known" : String(found.uid)],
    ["Extension", found.origin],
  ];
}

function grantRow(asked, want, place, connections) {
  const known = connections.find((one) => one.name === want.connection);
  const mostly = known?.kind === "production" && want.mode === "build" ? "plan" : want.mode;
  const connection = el("select", { id: `connection-${asked.user_code}-${place}` },
    el("option", { value: "" }, "none"),
    connections.map((one) => el("option", { value: one.name, selected: one.name === want.connection },
      one.kind === "production" ? `${one.name} (PRODUCTION)` : `${one.name} (${one.kind})`)));
  const mode = el("select", { id: `mode-${asked.user_code}-${place}` },
    Object.entries(MODES).map(([value, label]) => el("option", { value, selected: value === mostly }, label)));
  const asks = [`It asks for: ${want.connection ?? "any connection"}, ${want.mode}`, want.purpose ? `"${want.purpose}"` : ""];
  return {
    grant: () => (connection.value ? { connection: connection.value, mode: mode.value } : null),
    element: el("fieldset", null,
      el("legend", null, "What it may do"),
      el("p", { class: "hint" }, asks.filter(Boolean).join(" - ")),
      want.raw_token
        ? el("p", { class: "trouble" }, `It also asks for the access token itself, which is not given here: meshmesh approve ${asked.user_code} --grant NAME:build:token`)
        : null,
      field("Connection", connection),
      field("Mode", mode)),
  };
}
