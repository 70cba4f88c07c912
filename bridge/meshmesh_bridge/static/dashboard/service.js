/* The owner's API. The session is in localStorage and travels in a header, so that no other page can make the browser send it. */

import { ask, el, field } from "./page.js";

export const SESSION = "meshmesh-session";
export const ENDED = "session-ended"; // the event: the service knows this session no more

class Refusal extends Error {
  constructor(problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

export async function send(method, path, body, headers) {
  const type = body === undefined ? {} : { "Content-Type": "application/json" };
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: { ...type, ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      credentials: "omit",
    });
  } catch {
    throw new Refusal({ code: "unreachable", detail: "MeshMesh does not answer. Is the service running?", next: null });
  }
  const text = await answer.text();
  const found = text ? JSON.parse(text) : null;
  if (answer.ok) return found;
  throw new Refusal(found ?? { code: "", detail: `The service answered ${answer.status}.`, next: null });
}

export async function api(method, path, body, wait) {
  const headers = { "MeshMesh-Session": localStorage.getItem(SESSION) ?? "" };
  if (wait) headers.Prefer = `wait=${wait}`;
  try {
    return await send(method, path, body, headers);
  } catch (error) {
    if (error.problem?.code === "unknown_credential") dispatchEvent(new Event(ENDED));
    throw error;
  }
}

/** A call that may need proof that a person is here: it is asked for, and the call sent again with it. */
export async function asPerson(method, path, body) {
  let proof = {};
  for (;;) {
    try {
      return await api(method, path, proof.pin ? { ...body, pin: proof.pin } : body, proof.wait);
    } catch (error) {
      if (error.problem?.code !== "presence_required") throw error;
      proof = await askForProof(error.problem);
      if (!proof) throw error;
    }
  }
}

function askForProof(problem) {
  const ways = problem.ways ?? [];
  const pin = el("input", { type: "password", autocomplete: "off", maxlength: "64", id: "pin" });
  return ask("A person must approve this", [problem.detail, ways.length ? "" : "Set a PIN in a terminal: meshmesh pin"], {
    controls: ways.includes("pin") ? [field("Approval PIN", pin)] : [],
    buttons: [
      ...(ways.includes("pin") ? [["Approve", () => (pin.value ? { pin: pin.value } : null)]] : []),
      ...(ways.includes("notification") ? [["Ask in a notification", () => ({ wait: 50 })]] : []),
    ],
  });
}
