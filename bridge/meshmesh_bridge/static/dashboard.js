/* The dashboard: the session that opens its pages, and the fragment that each of them shows. No build. */

import { tick } from "./dashboard/clocks.js";
import { close, knock, open } from "./dashboard/closed.js";
import "./dashboard/deeds.js";
import { settle } from "./dashboard/forms.js";
import { install } from "./dashboard/keep.js";
import "./dashboard/keys.js";
import { follow, refresh, stop } from "./dashboard/live.js";
import { say, sentence } from "./dashboard/page.js";
import { sift } from "./dashboard/search.js";
import { ENDED, HEADER, SESSION, api, send, session } from "./dashboard/service.js";

const view = document.getElementById("view");
const THEME = "meshmesh-theme";
const MOST_ROWS = 1000;

function end(why) {
  stop();
  localStorage.removeItem(SESSION);
  view.replaceChildren();
  document.title = "MeshMesh";
  for (const count of document.querySelectorAll(".count")) count.textContent = "";
  close(why);
}

function begin() {
  if (!session()) return end("");
  open();
  const path = location.pathname === "/" ? "/connections" : location.pathname;
  view.setAttribute("hx-get", `/dashboard${path}${location.search}`);
  window.htmx.process(view);
  follow();
}

async function launch(code) {
  history.replaceState(null, "", location.pathname); // before anything else: the code stays in no history
  try {
    const begun = await send("POST", "/v1/dashboard-sessions", { launch_code: code });
    localStorage.setItem(SESSION, begun.session);
  } catch (error) {
    if (!session()) return end(sentence(error));
    say(sentence(error));
  }
  return begin();
}

function arrive() {
  const code = /^#launch=([\w-]+)$/.exec(location.hash);
  return code ? launch(code[1]) : begin();
}

/** After each fragment: the page's own title, the entry of the sidebar, clocks, filters and switches. */
function settled() {
  const title = view.querySelector("h1")?.textContent.trim();
  document.title = title ? `${title} - MeshMesh` : "MeshMesh";
  const [, first] = location.pathname.split("/");
  const home = ["", "connections", "connect", "r"].includes(first) ? "/" : `/${{ pair: "clients", requests: "clients" }[first] ?? first}`;
  for (const entry of document.querySelectorAll("nav a")) {
    if (entry.getAttribute("href") === home) entry.setAttribute("aria-current", "page");
    else entry.removeAttribute("aria-current");
  }
  for (const form of view.querySelectorAll("form")) settle(form);
  for (const choice of view.querySelectorAll("[data-theme-choice]")) choice.checked = choice.value === (localStorage.getItem(THEME) ?? "");
  tick();
  sift();
  openTarget();
}

/** The part of the page that the address names: a card, or a closed block. */
function openTarget() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1))) ?? document.getElementById(`pairing-${location.hash.slice(1)}`);
  if (!named || named.dataset.reached) return;
  named.dataset.reached = "";
  if (named.tagName === "DETAILS") named.open = true;
  named.scrollIntoView();
}

async function exported() {
  const lines = [];
  for (let after = 0; after !== null; ) {
    const { activity, next } = await api("GET", `/v1/activity?after=${after}&limit=${MOST_ROWS}`);
    lines.push(...activity.map((row) => `${JSON.stringify(row)}\n`));
    after = next;
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(lines, { type: "application/x-ndjson" }));
  link.download = "meshmesh-activity.jsonl";
  link.click();
  URL.revokeObjectURL(link.href);
}

install();
view.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers[HEADER] = session();
});
view.addEventListener("htmx:afterSettle", settled);
addEventListener("click", (event) => {
  if (event.target.closest?.("[data-export]")) exported().catch((error) => say(sentence(error)));
});
addEventListener("change", (event) => {
  if (!("themeChoice" in event.target.dataset)) return;
  localStorage.setItem(THEME, event.target.value);
  document.documentElement.dataset.theme = event.target.value;
});
addEventListener("hashchange", () => {
  if (location.hash.startsWith("#launch=")) void arrive();
});
addEventListener("storage", (event) => {
  if (event.key !== SESSION) return;
  if (!event.newValue) end("");
  else if (!event.oldValue) begin();
});
addEventListener(ENDED, () => end("Your session has ended."));
knock(() => {
  begin();
  void refresh();
});
void arrive();
