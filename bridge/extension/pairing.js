/* Pairing by a code (RFC 8628): the popup shows it, the owner compares it on the service's own page and decides there.

   The popup closes as soon as that page opens, and the worker may be stopped: the open pairing lies in the session's
   storage, and whoever is awake asks whether it was decided. */

import { call, Refused, own } from "./service.js";
import { forget, hear, heard, setToken } from "./store.js";

const WANTS = [{ mode: "read", purpose: "Show how your connections are, and whose session a tab is" }];
const SLOW_DOWN_SECONDS = 5; // RFC 8628, section 3.5
const ENDED = { access_denied: "You denied it.", expired_token: "Nobody approved it in time." };

/** Ask to be paired; what the popup shows is in the session then. */
export async function begin() {
  const asked = await call("/v1/pair", { client_name: name(), client_kind: "extension", wants: WANTS });
  await hear({
    pairing: {
      deviceCode: asked.device_code,
      userCode: asked.user_code,
      url: await own(asked.verification_uri_complete),
      interval: asked.interval,
      until: Date.now() + asked.expires_in * 1000,
      ended: null,
    },
  });
}

function name() {
  const browser = navigator.userAgent.includes("Firefox/") ? "Firefox" : "Chrome";
  return `MeshMesh companion in ${browser}`;
}

let asking = null; // one loop in a worker

/** Ask until it was decided; resolves to whether we are paired now. */
export function decided() {
  asking ??= poll().finally(() => (asking = null));
  return asking;
}

async function poll() {
  for (;;) {
    const { pairing } = await heard(); // a call of the browser's, which also keeps the worker awake meanwhile
    if (!pairing || pairing.ended) return false;
    if (Date.now() > pairing.until) {
      await end(pairing, "expired_token");
      return false;
    }
    await new Promise((resolve) => setTimeout(resolve, pairing.interval * 1000));
    if (await collect(pairing)) return true;
  }
}

async function collect(pairing) {
  try {
    const given = await call("/v1/pair/token", { device_code: pairing.deviceCode });
    if ((await heard()).pairing?.deviceCode !== pairing.deviceCode) return false; // taken back meanwhile
    await setToken(given.access_token);
    await forget("pairing");
    return true;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.error === "slow_down") await hear({ pairing: { ...pairing, interval: pairing.interval + SLOW_DOWN_SECONDS } });
    else if (error.error !== "authorization_pending") await end(pairing, error.error, error.message);
    return false;
  }
}

async function end(pairing, why, sentence) {
  await hear({ pairing: { ...pairing, ended: ENDED[why] ?? sentence } });
}
