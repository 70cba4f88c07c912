/* What the page is made of beside what the service renders. Texts of the service's become text, never markup. */

const said = document.getElementById("said");
const dialog = document.getElementById("question");

/** An element. Attributes that begin with "on" are listeners; a child is an element or a text; null is left out. */
export function el(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

export function field(label, control) {
  return el("label", { class: "field" }, label, control);
}

/** Say something beside the page's content; a screen reader says it too. */
export function say(text) {
  said.textContent = text;
}

/** What a refusal says to a person. */
export function sentence(error) {
  if (!error.problem) return "This is a bug of the dashboard's.";
  const next = error.problem.next;
  return [error.problem.detail, next && (next.command ? `${next.label}: ${next.command}` : next.label)]
    .filter(Boolean)
    .join(" ");
}

/** A question in front of everything; the value of the button that was pressed, or null. */
export function ask(title, lines, { controls = [], buttons }) {
  return new Promise((resolve) => {
    const answer = (value) => {
      resolve(value);
      dialog.close();
    };
    const [[first, value], ...others] = buttons;
    const submitted = (event) => {
      event.preventDefault();
      answer(value());
    };
    dialog.replaceChildren(
      el(
        "form",
        { onsubmit: submitted },
        el("h2", { id: "question-title" }, title),
        lines.filter(Boolean).map((line) => el("p", null, line)),
        controls,
        el(
          "p",
          { class: "buttons" },
          el("button", { class: "first" }, first),
          others.map(([label, other]) => el("button", { type: "button", onclick: () => answer(other()) }, label)),
          el("button", { type: "button", onclick: () => answer(null) }, "Cancel"),
        ),
      ),
    );
    dialog.onclose = () => {
      resolve(null);
      dialog.replaceChildren(); // a PIN that was typed, a link that was not followed
    };
    dialog.showModal();
  });
}
