/* A sign-in: it waits for a person in another tab, or for the address pasted from another machine, and tells its end. */

import { POLL_SECONDS, refresh } from "./live.js";
import { button, el, field, link, say } from "./page.js";
import { api } from "./service.js";

const WAIT_SECONDS = 25;

/** What a connect or reconnect began: done at once, a sign-in that a person finishes in another tab, or a refusal. */
export async function begun(answer, title) {
  let found;
  try {
    found = await answer;
  } catch (error) {
    if (error.problem?.message_for_admin) showFailure(error.problem);
    throw error;
  }
  if (found.connection) {
    say(`You're in: ${found.connection.name} is connected.`);
    await refresh();
    return;
  }
  showWaiting(found.sign_in, title);
  void awaitEnd(found.sign_in, title);
}

function panel(title, ...children) {
  const shown = el("section", { class: "card", "aria-labelledby": "sign-in-title" },
    el("h2", { id: "sign-in-title", tabindex: "-1" }, title), children);
  document.getElementById("sign-in").replaceChildren(shown);
  document.getElementById("sign-in-title").focus();
}

function showWaiting(signIn, title) {
  const pasted = el("input", { id: "pasted", type: "url", autocomplete: "off", spellcheck: "false" });
  panel(
    title,
    el("p", null, link(signIn.authorize_url, "Sign in at Salesforce", { target: "_blank", class: "button first" })),
    el("p", { class: "hint" }, "It opens in a new tab. This page sees when you are done; the attempt lasts ten minutes."),
    field("Is the browser on another machine? Paste the address that it ended at, even if the page could not be shown", pasted),
    el(
      "p",
      { class: "buttons" },
      button("Finish with this address", async () => {
        if (!pasted.value.trim()) return say("Paste the whole address first.");
        const ended = await api("POST", `/v1/sign-ins/${signIn.id}/redirect`, { url: pasted.value.trim() });
        pasted.value = "";
        return showEnd(ended, title);
      }),
      button("Cancel the sign-in", async () => showEnd(await api("DELETE", `/v1/sign-ins/${signIn.id}`), title)),
    ),
  );
  document.getElementById("sign-in").dataset.attempt = signIn.id;
}

async function awaitEnd(signIn, title) {
  let seen = signIn;
  while (seen.status === "waiting" && document.getElementById("sign-in")?.dataset.attempt === signIn.id) {
    try {
      seen = await api("GET", `/v1/sign-ins/${signIn.id}`, undefined, WAIT_SECONDS);
    } catch (error) {
      if (error.problem?.code !== "unreachable") return;
      await new Promise((resolve) => setTimeout(resolve, POLL_SECONDS * 1000));
    }
  }
  if (seen.status !== "waiting") await showEnd(seen, title);
}

async function showEnd(ended, title) {
  const place = document.getElementById("sign-in");
  if (!place || place.dataset.attempt !== ended.id) return; // shown already, or another attempt is
  if (ended.status === "waiting") return say("That address did not end the sign-in.");
  delete place.dataset.attempt;
  if (ended.status === "done") {
    panel("You're in.", el("p", null, `${ended.connection} is connected.`), ended.note ? el("p", null, ended.note) : null);
    say(`${ended.connection} is connected.`);
  } else if (ended.status === "cancelled") {
    place.replaceChildren();
    say("The sign-in was cancelled. Nothing was changed.");
  } else {
    showFailure(ended.error ?? { title: `${title}: nobody signed in within ten minutes.`, detail: "Begin again." }, ended);
  }
  await refresh();
}

/** What went wrong, what to do about it, and what an admin should be told; a sign-in may be kept all the same. */
function showFailure(problem, ended) {
  const next = problem.next;
  say(problem.title);
  panel(
    problem.title,
    el("p", { class: "trouble" }, problem.detail),
    next ? el("p", null, link(next.url, next.label) ?? next.label) : null,
    next?.command ? el("pre", null, el("code", null, next.command)) : null,
    problem.message_for_admin ? forAdmin(problem.message_for_admin) : null,
    ended?.keepable ? keepForm(ended) : null,
  );
}

function forAdmin(text) {
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    say("The message is copied.");
  };
  return el("div", null, el("p", null, "A message for your admin:"), el("pre", null, el("code", null, text)), button("Copy the message", copy));
}

function keepForm(ended) {
  const name = el("input", { maxlength: "63", autocomplete: "off" });
  return el(
    "div",
    null,
    field("The sign-in itself worked. Keep it under a name of its own", name),
    button("Keep it", async () => {
      document.getElementById("sign-in").dataset.attempt = ended.id;
      await showEnd(await api("POST", `/v1/sign-ins/${ended.id}/keep`, name.value.trim() ? { name: name.value.trim() } : {}), "Keep it");
    }),
  );
}
