/* The popup: what was last heard at once, then what is so now. It shows and leads on; the worker does. */

import { mayCall } from "./access.js";
import { needing } from "./badge.js";
import { button, element, link, paragraph } from "./dom.js";
import { currentTab, look as lookAtTab } from "./org.js";
import { base, own } from "./service.js";
import { heard, port } from "./store.js";

const WORDS = {
  connected: "Connected",
  refreshing: "Renewing its session",
  needs_you: "Needs you",
  blocked: "Blocked",
  offline: "Offline",
};
const view = document.getElementById("view");
const said = document.getElementById("said"); // for those who do not see the view change

let complaint = null; // of the last deed
let tab = null; // what there is to say of the current tab
let drawing = 0;

/** Have the worker do something, and show what it could not. */
async function ask(deed) {
  // a worker that is stopped in the middle answers nothing; what it does when it wakes is seen in the storage
  const answer = await chrome.runtime.sendMessage({ deed }).catch(() => null);
  complaint = answer === null || answer.ok ? null : answer.name === "Unreachable" ? await notRunning() : answer.detail;
  await draw();
}

async function findTab() {
  const current = await currentTab();
  tab = current && (await lookAtTab(current).catch(() => null));
  await draw();
}

async function draw() {
  const turn = ++drawing;
  const { state, pairing } = await heard();
  const place = await base();
  const number = await port();
  const parts = pairing ? asking(pairing) : await PARTS[state.kind](state, place, number);
  if (turn !== drawing) return; // overtaken
  const drawn = element("div", {}, complaint ? element("p", { role: "alert", class: "alarm" }, complaint) : null, ...parts);
  if (drawn.innerHTML !== view.innerHTML) view.replaceChildren(...drawn.childNodes); // or the focus would be lost for nothing
  said.textContent = state.kind === "heard" ? summary(state) : "";
}

const PARTS = {
  unknown: () => [paragraph("Looking…", "quiet")],
  unreachable: async () => [paragraph(await notRunning()), paragraph("Start it: meshmeshd", "quiet")],
  refused: (state) => [paragraph(state.detail, "alarm")],
  unpaired: (state, _place, number) => [
    paragraph(state.revoked ? "You revoked this extension. It knows nothing of your connections any more." : "Not paired yet."),
    paragraph("It shows how your connections are and warns where a tab is somebody else's session. It never gets a token of Salesforce's.", "quiet"),
    button("Pair with MeshMesh", async () => {
      if (await mayCall(number)) await ask("pair");
    }),
  ],
  heard: async (state, place) => [
    ...ofTab(),
    element("h2", {}, summary(state)),
    state.connections.length ? await list(state.connections) : paragraph("No connection was granted to this extension."),
    element("p", { class: "row" }, link("Open the dashboard", `${place}/`), unpair()),
  ],
};

async function notRunning() {
  return `MeshMesh's service does not answer at localhost:${await port()}.`;
}

function asking(pairing) {
  if (pairing.ended) {
    return [paragraph(`Not paired. ${pairing.ended}`), button("Ask again", () => void ask("pair"))];
  }
  return [
    paragraph("Compare this code with the one that MeshMesh shows you, then decide there."),
    element("p", { class: "code", "aria-label": `Code ${[...pairing.userCode].join(" ")}` }, pairing.userCode),
    element("p", { class: "row" }, pairing.url ? link("Decide in MeshMesh", pairing.url, "button") : null, cancel()),
    paragraph(`Or run: meshmesh approve ${pairing.userCode} --grant NAME:read`, "quiet"),
  ];
}

function cancel() {
  return element("button", { type: "button", class: "quiet", onclick: () => void ask("cancel") }, "Cancel");
}

function unpair() {
  return element("button", { type: "button", class: "quiet", onclick: () => void ask("unpair") }, "Unpair");
}

function summary(state) {
  const count = needing(state).length;
  if (count === 0) return state.connections.length ? "Nothing needs you" : "Connections";
  return count === 1 ? "1 connection needs you" : `${count} connections need you`;
}

async function list(connections) {
  return element("ul", { class: "connections" }, ...(await Promise.all(connections.map(card))));
}

async function card(connection) {
  const mend = await own(connection.next?.url);
  return element(
    "li",
    { class: connection.status },
    element("strong", {}, connection.name),
    element("span", { class: connection.kind === "production" ? "kind production" : "kind" }, connection.kind),
    element("span", { class: "status" }, WORDS[connection.status] ?? connection.status),
    element("span", { class: "quiet" }, connection.username),
    connection.status === "connected" || !connection.detail ? null : paragraph(connection.detail),
    mend ? link("Reconnect", mend, "button") : connection.next?.command ? paragraph(`Run: ${connection.next.command}`, "quiet") : null,
  );
}

function ofTab() {
  if (tab === null) return [];
  const parts = tab.connections.length ? tab.connections.map(lineOfTab) : [paragraph("This org is none of the connections that this extension may see.", "quiet")];
  return [element("section", { "aria-labelledby": "tab", class: tab.there ? "tab strange" : "tab" }, element("h2", { id: "tab" }, "This tab"), ...parts)];
}

function lineOfTab(connection) {
  const is = `This is ${connection.name} (${connection.kind}).`;
  if (connection.same === true) return paragraph(`${is} You and MeshMesh are the same user here: ${connection.username}.`);
  if (tab.there !== null) {
    return paragraph(`${is} You are signed in here as ${tab.there}, but tools act as ${connection.username}: they may see and change other things than you do.`, "alarm");
  }
  return paragraph(`${is} Tools act as ${connection.username}; who is signed in here, the page does not say.`);
}

document.getElementById("settings").addEventListener("click", () => void chrome.runtime.openOptionsPage());
chrome.storage.session.onChanged.addListener(() => void draw());
await draw();
await Promise.all([ask("look"), findTab()]);
view.setAttribute("aria-busy", "false");
