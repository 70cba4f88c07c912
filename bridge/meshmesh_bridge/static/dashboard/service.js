/* The owner's API. The session is in localStorage and travels in a header, so that no other page can make the browser send it. */

import { ask, el, field, say } from "./page.js";

export const SESSION = "meshmesh-session";
export const HEADER = "MeshMesh-Session";
export const ENDED = "session-ended"; // the event: the service knows this session no more
export const BUTTON_SECONDS = 50; // for which a call waits for the button of a notification
const UNREACHABLE = { code: "unreachable", detail: "MeshMesh does not answer. Is the service running?", next: null };

class Refusal extends Error {
  constructor(problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

export function session() {
  return localStorage.getItem(SESSION) ?? "";
}

/** A call without the session; the answer's document, or its HTML, or null where it has no body. */
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
    throw new Refusal(UNREACHABLE);
  }
  const text = await answer.text();
  const isPage = answer.headers.get("Content-Type")?.startsWith("text/html");
  const found = text && !isPage ? JSON.parse(text) : text || null;
  if (answer.ok) return found;
  throw new Refusal(found?.detail ? found : { code: "", detail: `The service answered ${answer.status}.`, next: null });
}

/** A call of the owner's. */
export async function api(method, path, body, wait) {
  const headers = { [HEADER]: session() };
  if (wait) headers.Prefer = `wait=${wait}`;
  try {
    return await send(method, path, body, headers);
  } catch (error) {
    if (error.problem?.code === "unknown_credential") dispatchEvent(new Event(ENDED));
    throw error;
  }
}

/** A call that may need proof that a person is here: it is asked for, and the call sent again with it. `means` is what
    a yes brings about besides. */
export async function asPerson(method, path, body, means) {
  let proof = {};
  for (;;) {
    try {
      return await api(method, path, proof.pin ? { ...body, pin: proof.pin } : body, proof.wait);
    } catch (error) {
      if (error.problem?.code !== "presence_required") throw error;
      proof = await proofFor(error.problem, means);
      if (!proof) throw error;
      if (proof.wait) say("Press Approve in the notification.");
    }
  }
}

function proofFor(problem, means) {
  const ways = problem.ways ?? [];
  return ways.length ? givenPin(problem, means, ways) : firstPin(problem, means);
}

function givenPin(problem, means, ways) {
  const pin = el("input", { type: "password", autocomplete: "off", maxlength: "64" });
  const byPin = ["Approve", () => (pin.value ? { pin: pin.value } : null)];
  const byButton = ["Ask in a notification", () => ({ wait: BUTTON_SECONDS })];
  return ask("A person must approve this", [problem.detail, means], {
    controls: ways.includes("pin") ? [field("Approval PIN", pin)] : [],
    buttons: [...(ways.includes("pin") ? [byPin] : []), ...(ways.includes("notification") ? [byButton] : [])],
  });
}

/** Where nothing can stand for the person yet, the first thing to approve begins with setting the PIN. */
async function firstPin(problem, means) {
  const fields = ["A PIN, 4 to 64 characters", "Once more"].map((label) =>
    field(label, el("input", { type: "password", autocomplete: "off", minlength: "4", maxlength: "64", required: true })));
  const [pin, again] = fields.map((one) => one.querySelector("input"));
  again.oninput = () => again.setCustomValidity(again.value === pin.value ? "" : "The two differ.");
  const chosen = await ask("Set an approval PIN first", [problem.detail, means, "It will be asked for whenever something widens what a program may do."], {
    controls: fields,
    buttons: [["Set it and approve", () => pin.value]],
  });
  if (!chosen) return null;
  await api("POST", "/v1/pin", { pin: chosen });
  return { pin: chosen };
}
