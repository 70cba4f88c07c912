/* What is kept, and where. The browser stops the worker whenever it likes, so nothing that matters is in a variable.

   local:   the port, and the pairing token, which says who this extension is to the service on this machine. Never a
            Salesforce token: this extension never sees one.
   session: what is gone with the browser: what was last heard, the place in the stream of events, an open pairing. */

export const DEFAULT_PORT = 1717;

/** Keep pages' scripts out of both areas; Firefox keeps them out by itself. */
export async function seal() {
  for (const area of [chrome.storage.local, chrome.storage.session]) {
    await area.setAccessLevel?.({ accessLevel: "TRUSTED_CONTEXTS" }).catch(() => {});
  }
}

export async function port() {
  return (await chrome.storage.local.get("port")).port ?? DEFAULT_PORT;
}

/** Another port is another service, which does not know this extension. */
export async function setPort(value) {
  await chrome.storage.session.clear();
  await chrome.storage.local.set({ port: value });
  await chrome.storage.local.remove("token");
}

export async function token() {
  return (await chrome.storage.local.get("token")).token ?? null;
}

export async function setToken(value) {
  if (value === null) await chrome.storage.local.remove("token");
  else await chrome.storage.local.set({ token: value });
}

/** The state of the session, or an empty one. */
export async function heard() {
  const { state, place, pairing } = await chrome.storage.session.get(["state", "place", "pairing"]);
  return { state: state ?? { kind: "unknown", connections: [] }, place: place ?? "", pairing: pairing ?? null };
}

export async function hear(values) {
  await chrome.storage.session.set(values);
}

export async function forget(...names) {
  await chrome.storage.session.remove(names);
}
