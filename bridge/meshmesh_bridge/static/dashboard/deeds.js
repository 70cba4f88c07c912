/* What is done on the page: a form with data-deed="METHOD /address" becomes that call of the API, and its answer is told.

   data-ask, data-more, data-yes   a question first: its title, a sentence, the button
   data-means                      what a person's yes brings about besides, where one must be there
   data-done                       what is said when it is done; with data-tells the answer's own sentence instead
   data-opens                      the answer's address is a secret that leads there: a new tab goes to it
   data-go                         where to go then; {name} is that member of the answer
   data-see, data-into             a fragment to show then, and where; an answer that is a fragment is shown itself
   data-clear                      the form is emptied
*/

import { bodyOf, settle } from "./forms.js";
import { refresh } from "./live.js";
import { ask, el, say, sentence } from "./page.js";
import { asPerson, session } from "./service.js";
import { openApart } from "./tabs.js";

const SIGN_IN = "#sign-in";

addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset?.deed) return;
  event.preventDefault();
  void act(form, event.submitter);
});

async function act(form, pressed) {
  const { ask: title, more, yes } = form.dataset;
  if (title && !(await ask(title, [more], { buttons: [[yes, () => true]] }))) return;
  const [method, path] = form.dataset.deed.split(" ");
  const body = method === "DELETE" ? undefined : bodyOf(form, pressed);
  const trouble = pressed?.form?.querySelector("[role=alert]") ?? form.querySelector("[role=alert]");
  if (trouble) trouble.textContent = "";
  say(""); // the same sentence is told again, also to a screen reader
  mark(form, null);
  if (pressed) pressed.disabled = true;
  try {
    await tell(form, await asPerson(method, path, body, form.dataset.means));
  } catch (error) {
    refuse(form, trouble, error);
  } finally {
    if (pressed) release(pressed);
  }
}

/** A button that was off has lost the focus: who goes by keyboard finds it where it was, or what took its place. */
function release(button) {
  button.disabled = false;
  if (document.activeElement === document.body) (button.isConnected ? button : document.getElementById(button.id))?.focus();
}

async function tell(form, answer) {
  const { done, go, see, into, opens } = form.dataset;
  if ("clear" in form.dataset) form.reset();
  if (typeof answer === "string") return window.htmx.swap(document.querySelector(into), answer, { swapStyle: "innerHTML" });
  if (answer?.sign_in) return show(`/dashboard/sign-ins/${answer.sign_in.id}`, SIGN_IN);
  if (opens && !(await openApart(answer.url, opens))) return say("No tab was opened.");
  if (see) return finish(form, show(see, into));
  if (go) return location.assign(go.replace(/\{(\w+)\}/g, (_, member) => encodeURIComponent(answer[member])));
  if (answer?.connection?.name) say(`You're in: ${answer.connection.name} is connected.`);
  else say("tells" in form.dataset ? answer?.detail || done : [done, answer?.detail].filter(Boolean).join(" "));
  await refresh();
}

/** Show a fragment, and bring its heading under the hand. */
async function show(address, into) {
  await window.htmx.ajax("GET", address, { target: into, swap: "keep", source: into });
  document.querySelector(into)?.querySelector("[tabindex='-1']")?.focus();
}

async function finish(form, shown) {
  await shown;
  const heading = document.querySelector(form.dataset.into)?.querySelector("h2");
  say(heading?.textContent ?? "");
  await refresh();
}

function refuse(form, trouble, error) {
  if (!session()) return; // the session ended: the page says so itself
  const text = sentence(error);
  if (trouble) trouble.replaceChildren(text, ...forAdmin(error.problem?.message_for_admin));
  else say(text);
  mark(form, error.problem?.errors?.[0]?.field ?? null);
}

function forAdmin(message) {
  if (!message) return [];
  return [
    el("span", { class: "next" }, "A message for your admin:"),
    el("code", { class: "message" }, message),
    el("button", { type: "button", "data-copy": message }, "Copy the message"),
  ];
}

/** Mark the control that the service could not take, and none other. */
function mark(form, name) {
  for (const control of form.elements) {
    if (name && control.name === name) {
      control.setAttribute("aria-invalid", "true");
      control.focus();
    } else control.removeAttribute("aria-invalid");
  }
}

addEventListener("click", async (event) => {
  const text = event.target.closest?.("[data-copy]")?.dataset.copy;
  if (text === undefined) return;
  await navigator.clipboard.writeText(text);
  say("It is copied.");
});

addEventListener("reset", (event) => setTimeout(() => settle(event.target)));
