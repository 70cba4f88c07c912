/* How the connections are: read once, then again whenever the service tells of a change.

   While the worker is awake it reads the stream of events; it is stopped after half a minute without one, and an alarm
   looks again every minute, which also wakes it. The place in the stream is kept, so that it goes on where it ended. */

import { show } from "./badge.js";
import { call, NotPaired, send, Unreachable } from "./service.js";
import { hear, heard, setToken, token } from "./store.js";

const OF_INTEREST = /^(?:connection\.|access\.decided$|vault\.|reset$)/;
const AGAIN_MILLISECONDS = 3000;

let looking = Promise.resolve(); // one look after the other: what was heard earlier is never shown later

/** Look at the service, keep what it says, show it. */
export function look() {
  const mine = looking.then(lookNow);
  looking = mine.catch(() => {});
  return mine;
}

async function lookNow() {
  const state = await now();
  await hear({ state });
  await show(state);
  return state;
}

async function now() {
  if ((await token()) === null) return { kind: "unpaired", connections: [] };
  try {
    const { connections } = await call("/v1/connections");
    return { kind: "heard", connections };
  } catch (error) {
    if (error instanceof Unreachable) return { kind: "unreachable", connections: [] };
    if (!(error instanceof NotPaired)) return { kind: "refused", detail: error.message, connections: [] };
    await setToken(null); // revoked: it is good for nothing any more
    return { kind: "unpaired", revoked: true, connections: [] };
  }
}

let stream = null; // the AbortController of the stream that this worker reads

/** Look, and from now on read the events, where there are any for us. */
export async function attend() {
  const state = await look();
  if (state.kind !== "heard" || stream !== null) return;
  const own = (stream = new AbortController());
  void listen(own.signal).finally(() => {
    if (stream === own) stream = null;
  });
}

/** Read no events any more, as before another token or another port. */
export function leave() {
  stream?.abort();
  stream = null;
}

async function listen(signal) {
  do {
    await read(signal).catch(() => {}); // however it broke, the next look says what is the matter
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MILLISECONDS));
  } while (!signal.aborted && (await look()).kind === "heard");
}

async function read(signal) {
  const { place } = await heard();
  const headers = { Accept: "text/event-stream", ...(place ? { "Last-Event-ID": place } : {}) };
  const answer = await send("/v1/events", { headers, signal });
  if (!answer.ok) return;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) await take(block);
  }
}

/** One event of the stream (WHATWG HTML, section 9.2): its id is kept, its data is not looked at. */
async function take(block) {
  const fields = new Map(block.split("\n").map((line) => line.split(/: ?(.*)/s, 2)));
  if (fields.has("id")) await hear({ place: fields.get("id") });
  if (OF_INTEREST.test(fields.get("event") ?? "")) await look();
}
