/* The page without a session: how to get in, and what anybody on this machine may know. */

import { say, sentence } from "./page.js";
import { BUTTON_SECONDS, SESSION, send } from "./service.js";

const closed = document.getElementById("closed");
const why = document.getElementById("closed-why");
const trouble = document.getElementById("closed-trouble");
const LOWEST = 10;
const NUMBERS = 90;

/** Show it instead of the content. */
export function close(reason) {
  closed.hidden = false;
  why.textContent = reason;
  why.hidden = !reason;
  trouble.textContent = "";
  void tellCounts();
}

export function open() {
  closed.hidden = true;
}

async function tellCounts() {
  try {
    const { detail, next, vault } = await send("GET", "/status");
    document.getElementById("counts").textContent = sentence({ problem: { detail, next } });
    for (const form of closed.querySelectorAll("form")) form.hidden = vault !== "unlocked";
  } catch (error) {
    say(sentence(error));
  }
}

/** Let the person in who is seen; `entered` is called with a session. */
export function knock(entered) {
  const enter = async (body, headers) => {
    trouble.textContent = "";
    try {
      const { session } = await send("POST", "/v1/dashboard-sessions", body, headers);
      localStorage.setItem(SESSION, session);
      entered();
    } catch (error) {
      trouble.textContent = sentence(error);
    }
  };
  document.getElementById("by-pin").addEventListener("submit", (event) => {
    event.preventDefault();
    const pin = document.getElementById("entrance-pin");
    void enter({ pin: pin.value });
    pin.value = "";
  });
  document.getElementById("by-notification").addEventListener("submit", (event) => {
    event.preventDefault();
    const number = LOWEST + (crypto.getRandomValues(new Uint8Array(1))[0] % NUMBERS);
    const asked = enter({ number }, { Prefer: `wait=${BUTTON_SECONDS}` });
    trouble.textContent = `A notification shows the number ${number}. Press Approve there.`;
    void asked;
  });
}
