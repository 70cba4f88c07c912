/* The worker: it wakes for an alarm, a message from the popup, a start of the browser; it holds nothing. */

import * as pairing from "./pairing.js";
import { forget, heard, seal, setPort, setToken } from "./store.js";
import { attend, leave } from "./watch.js";

const LOOK = "look";
const MINUTES = 1;

const DEEDS = {
  /** Ask to be paired, and wait for the owner. */
  async pair() {
    await pairing.begin();
    void awaitPairing();
  },
  /** Stop asking. */
  async cancel() {
    await forget("pairing");
  },
  /** Forget our token; the owner sees us until we are revoked there. */
  async unpair() {
    await setToken(null);
    await again();
  },
  /** Speak to the service on another port. */
  async move({ port }) {
    await setPort(port);
    await again();
  },
  /** Look now. */
  async look() {
    await attend();
  },
};

chrome.runtime.onMessage.addListener((message, sender, answer) => {
  if (sender.id !== chrome.runtime.id || !Object.hasOwn(DEEDS, message.deed)) return false;
  DEEDS[message.deed](message).then(
    () => answer({ ok: true }),
    (error) => answer({ ok: false, name: error.constructor.name, detail: error.message }),
  );
  return true; // the answer comes later
});
chrome.alarms.onAlarm.addListener(() => void wake());
chrome.runtime.onStartup.addListener(() => void wake());
chrome.runtime.onInstalled.addListener(() => void wake());
void wake();

async function wake() {
  await seal();
  if (!(await chrome.alarms.get(LOOK))) await chrome.alarms.create(LOOK, { periodInMinutes: MINUTES });
  await attend();
  await awaitPairing();
}

/** Somebody else answers from now on, or we are somebody else. */
async function again() {
  leave();
  await forget("place", "users");
  await attend();
}

async function awaitPairing() {
  const { pairing: open } = await heard();
  if (open && (await pairing.decided().catch(() => false))) await again();
}
