/* What the page shows, read again every few seconds while somebody looks. */

import { say, sentence } from "./page.js";

export const POLL_SECONDS = 3;
const QUIET_SECONDS = 600; // without a key or a click for as long the page asks no more, so that its session can end

const live = document.getElementById("live");

let load = null; // reads what the page shows; null without a session
let timer = 0;
let touched = Date.now();

/** Show what a page shows, from now on; null shows nothing any more. */
export function show(read) {
  load = read;
  live.textContent = "";
}

export async function refresh() {
  if (!load) return;
  try {
    await load();
    live.textContent = "live";
  } catch (error) {
    live.textContent = "not live";
    if (load) say(sentence(error));
  }
}

export async function poll() {
  clearTimeout(timer);
  if (!load) return;
  if (document.visibilityState === "visible" && Date.now() - touched < QUIET_SECONDS * 1000) await refresh();
  else live.textContent = "paused";
  clearTimeout(timer); // another poll may have begun meanwhile
  timer = setTimeout(poll, POLL_SECONDS * 1000);
}

for (const event of ["pointerdown", "keydown"]) {
  addEventListener(event, () => {
    const paused = Date.now() - touched >= QUIET_SECONDS * 1000;
    touched = Date.now();
    if (paused) void poll();
  });
}
document.addEventListener("visibilitychange", () => void poll());
