/* What the page shows, read again whenever something happens: /v1/events, read by fetch, since an EventSource sends no header.

   Without a key or a click for ten minutes the page asks no more, so that its session can end; a tab that nobody sees
   neither. Both go on where they ended. */

import { say, sentence } from "./page.js";
import { ENDED, HEADER, session } from "./service.js";

const QUIET_MILLISECONDS = 600_000;
const AGAIN_MILLISECONDS = 3000; // after a stream that ended; as long as the service asks browsers to wait
const GATHER_MILLISECONDS = 250; // what comes together is read together

const view = document.getElementById("view");
const live = document.getElementById("live");

let stream = null; // the AbortController of the stream that is read
let place = ""; // the id of the last event
let touched = Date.now();
let gathered = 0;
let again = 0;

/** Read what the page shows. */
export async function refresh() {
  if (!session()) return;
  await window.htmx.trigger(view, "show");
}

function isLookedAt() {
  return document.visibilityState === "visible" && Date.now() - touched < QUIET_MILLISECONDS;
}

/** Be told, from now on. */
export function follow() {
  clearTimeout(again);
  if (!session()) return;
  if (!isLookedAt()) return rest();
  if (stream) return;
  stream = new AbortController();
  void listen(stream);
}

/** Be told no more. */
export function stop() {
  clearTimeout(again);
  stream?.abort();
  stream = null;
  live.textContent = "";
}

function rest() {
  stop();
  live.textContent = "paused";
}

async function listen(own) {
  let wait = AGAIN_MILLISECONDS;
  try {
    const headers = { [HEADER]: session(), Accept: "text/event-stream", ...(place ? { "Last-Event-ID": place } : {}) };
    const answer = await fetch("/v1/events", { headers, signal: own.signal, cache: "no-store", credentials: "omit" });
    if (answer.status === 401) return dispatchEvent(new Event(ENDED));
    wait = 1000 * Number(answer.headers.get("Retry-After") ?? 0) || wait;
    void refresh(); // also where the stream was refused: then the page is read whenever it is tried again
    if (answer.ok) {
      live.textContent = "live";
      await read(answer.body.pipeThrough(new TextDecoderStream()).getReader());
    }
  } catch {
    // it ended, or could not begin; below it is tried again
  }
  if (stream !== own) return; // it was stopped
  stream = null;
  live.textContent = "reconnecting";
  again = setTimeout(follow, wait);
}

async function read(reader) {
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split(/\r\n|\n/);
    rest = lines.pop();
    for (const line of lines) {
      if (line.startsWith("id: ")) place = line.slice(4);
      if (line.startsWith("event: ")) gather();
    }
  }
}

function gather() {
  if (gathered) return;
  gathered = setTimeout(() => {
    gathered = 0;
    if (isLookedAt()) void refresh();
    else follow();
  }, GATHER_MILLISECONDS);
}

for (const event of ["pointerdown", "keydown"]) {
  addEventListener(event, () => {
    touched = Date.now();
    if (!stream) follow();
  });
}
document.addEventListener("visibilitychange", follow);
setInterval(follow, AGAIN_MILLISECONDS * 10);

view.addEventListener("htmx:responseError", (event) => {
  const { xhr, target } = event.detail;
  if (xhr.status === 401) return dispatchEvent(new Event(ENDED));
  const problem = xhr.getResponseHeader("Content-Type")?.includes("json") ? JSON.parse(xhr.responseText) : null;
  if (xhr.status === 404 && target === view) gone(problem);
  else say(sentence({ problem }));
});
view.addEventListener("htmx:sendError", () => say("MeshMesh does not answer. Is the service running?"));

/** What the page was about is not there, or not any more. */
function gone(problem) {
  const title = document.createElement("h1");
  title.textContent = "It is not here.";
  const why = document.createElement("p");
  why.id = "gone";
  why.textContent = problem?.detail ?? "";
  view.replaceChildren(title, why);
}
