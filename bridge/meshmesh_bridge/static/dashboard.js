/* The dashboard: its pages, and the session that opens them. No framework, no build. */

import { card } from "./dashboard/connections.js";
import { connectForm } from "./dashboard/connect.js";
import { poll, show } from "./dashboard/live.js";
import { el, reconcile, say, sentence } from "./dashboard/page.js";
import { pairingCard } from "./dashboard/pairing.js";
import { SESSION, ENDED, api, send } from "./dashboard/service.js";

const view = document.getElementById("view");

function listPage() {
  view.replaceChildren(
    el("h1", null, "Connections"),
    el("div", { id: "pairings" }),
    el("div", { id: "sign-in" }),
    el("div", { id: "list" }),
    el("section", { class: "card" }, el("h2", null, "Connect Salesforce"), connectForm()),
  );
  return async () => {
    const { connections } = await api("GET", "/v1/connections");
    const { pairings } = await api("GET", "/v1/pairings");
    const asking = pairings.length === 1 ? "A program wants" : `${pairings.length} programs want`;
    reconcile(document.getElementById("pairings"), pairings.length
      ? [el("p", { class: "card", id: "asking" }, `${asking} to be paired. `, el("a", { href: "/pair" }, "See who asks"))] : []);
    reconcile(document.getElementById("list"), connections.length
      ? connections.map((one) => card(one))
      : [el("p", { id: "empty" }, "No orgs yet. Connect one, or try the demo org: it is fake.")]);
  };
}

/** The page of one connection. `find` picks it; with `first` its Reconnect is what the page is about. */
function onePage(find, first) {
  view.replaceChildren(
    el("h1", null, first ? "A connection needs you" : "Connection"),
    el("div", { id: "sign-in" }),
    el("div", { id: "list" }),
  );
  return async () => {
    const { connections } = await api("GET", "/v1/connections");
    const found = connections.find(find);
    if (first) {
      const well = found && found.status === "connected";
      view.querySelector("h1").textContent = well ? `${found.name} is connected` : "A connection needs you";
    }
    reconcile(document.getElementById("list"), [
      found ? card(found, { details: !first }) : el("p", { id: "gone" }, "There is no such connection any more."),
    ]);
  };
}

function pairPage() {
  view.replaceChildren(el("h1", null, "Programs that want to be paired"), el("div", { id: "list" }));
  return async () => {
    const { pairings } = await api("GET", "/v1/pairings");
    const { connections } = await api("GET", "/v1/connections");
    reconcile(document.getElementById("list"), pairings.length
      ? pairings.map((one) => pairingCard(one, connections)) : [el("p", { id: "empty" }, "Nobody asks.")]);
  };
}

function page() {
  const [, kind, rest] = /^\/(r|connections|pair)?(?:\/(.*))?$/.exec(location.pathname) ?? [];
  const which = decodeURIComponent(rest ?? "");
  if (kind === "r") return onePage((one) => one.id === which, true);
  if (kind === "connections") return onePage((one) => one.name === which, false);
  return kind === "pair" ? pairPage() : listPage();
}

// ---- the session

function end(why) {
  show(null);
  localStorage.removeItem(SESSION);
  document.title = "MeshMesh";
  view.replaceChildren(
    el("div", null,
      el("h1", null, "This page is yours alone"),
      why ? el("p", null, why) : null,
      el("p", null, "It shows your connections only to who comes from a terminal of this machine's user. Run there:"),
      el("pre", null, el("code", null, "meshmesh open")),
      el("p", { id: "counts" })),
  );
  void tellCounts();
}

/** What anybody on this machine may know: how many connections are well, or what is wrong with the service. */
async function tellCounts() {
  try {
    const { detail, next } = await send("GET", "/status");
    const place = document.getElementById("counts");
    if (place) place.textContent = [detail, next?.label].filter(Boolean).join(" ");
  } catch (error) {
    say(sentence(error));
  }
}

async function launch(code) {
  history.replaceState(null, "", location.pathname); // before anything else: the code stays in no history
  try {
    const { session } = await send("POST", "/v1/dashboard-sessions", { launch_code: code });
    localStorage.setItem(SESSION, session);
  } catch (error) {
    if (!localStorage.getItem(SESSION)) return end(sentence(error));
    say(sentence(error));
  }
  return begin();
}

function begin() {
  if (!localStorage.getItem(SESSION)) return end("");
  show(page());
  document.title = `${view.querySelector("h1").textContent} - MeshMesh`;
  return poll();
}

function arrive() {
  const code = /^#launch=([\w-]+)$/.exec(location.hash);
  return code ? launch(code[1]) : begin();
}

addEventListener("hashchange", () => {
  if (location.hash.startsWith("#launch=")) void arrive();
});
addEventListener("storage", (event) => {
  if (event.key !== SESSION) return;
  if (!event.newValue) end("");
  else if (!event.oldValue) begin();
});
addEventListener(ENDED, () => end("Your session has ended."));
void arrive();
