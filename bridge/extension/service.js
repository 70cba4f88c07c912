/* Calls of the service on this machine: the port of the settings, and nowhere else. */

import { port, token } from "./store.js";

const PATIENCE_MILLISECONDS = 30_000;

/** Nobody answers. */
export class Unreachable extends Error {}

/** The service does not know this extension, or knows it no more. */
export class NotPaired extends Error {}

/** It refused for another reason; `detail` is its sentence. */
export class Refused extends Error {
  constructor(status, body) {
    super(body?.detail ?? `The service answered with status ${status}.`);
    this.status = status;
    this.error = body?.error ?? null;
  }
}

export async function base() {
  return `http://localhost:${await port()}`;
}

/** An address of the service's that a page of ours may lead to; null for any other. */
export async function own(url) {
  const prefix = `${await base()}/`;
  return typeof url === "string" && url.startsWith(prefix) ? url : null;
}

/** One call whose answer is JSON; `body` makes it a POST. */
export async function call(path, body) {
  const answer = await send(path, {
    method: body === undefined ? "GET" : "POST",
    body: body === undefined ? undefined : JSON.stringify(body),
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    signal: AbortSignal.timeout(PATIENCE_MILLISECONDS),
  });
  const told = await answer.json().catch(() => null);
  if (!answer.ok) throw new Refused(answer.status, told);
  return told;
}

/** One request with our token, if there is one. */
export async function send(path, options) {
  const known = await token();
  const headers = { Accept: "application/json", ...options.headers };
  if (known) headers.Authorization = `Bearer ${known}`;
  let answer;
  try {
    answer = await fetch((await base()) + path, { ...options, headers, cache: "no-store", credentials: "omit", redirect: "error" });
  } catch {
    throw new Unreachable();
  }
  if (answer.status === 401) throw new NotPaired();
  return answer;
}
