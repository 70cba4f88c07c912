/* What the page is made of. Texts of the service's become text, never markup; an address is followed only where it is http or https. */

const said = document.getElementById("said");

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

export function button(label, act, attributes) {
  const pressed = async (event) => {
    const target = event.currentTarget;
    target.disabled = true;
    try {
      await act();
    } catch (error) {
      say(sentence(error));
    } finally {
      target.disabled = false;
    }
  };
  return el("button", { type: "button", onclick: pressed, ...attributes }, label);
}

export function field(label, control) {
  return el("label", { class: "field" }, label, control);
}

export function facts(pairs) {
  const rows = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return el("dl", null, rows.map(([name, value]) => [el("dt", null, name), el("dd", null, value)]));
}

/** A link to an address that the service named, if it is one for a browser. */
export function link(address, label, attributes) {
  const parsed = URL.canParse(address ?? "", location.href) ? new URL(address, location.href) : null;
  if (!parsed || !["http:", "https:"].includes(parsed.protocol)) return null;
  return el("a", { href: parsed.href, rel: "noreferrer", ...attributes }, label);
}

export function say(text) {
  said.textContent = text;
}

/** Show fresh elements by their ids; those that did not change stay, with what a person typed or focused in them. */
export function reconcile(list, fresh) {
  const shown = fresh.map((node) => {
    const old = [...list.children].find((child) => child.id === node.id);
    return old?.isEqualNode(node) ? old : node;
  });
  if (shown.length === list.children.length && shown.every((node, place) => node === list.children[place])) return;
  const focused = document.activeElement?.id;
  list.replaceChildren(...shown);
  if (focused && list.contains(document.getElementById(focused))) document.getElementById(focused).focus();
}

export function ago(moment) {
  if (!moment) return null;
  const minutes = Math.floor((Date.now() - Date.parse(moment)) / 60000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ago`;
  return new Date(moment).toLocaleDateString();
}

export function ahead(moment) {
  if (!moment) return null;
  const minutes = Math.ceil((Date.parse(moment) - Date.now()) / 60000);
  if (minutes <= 0) return "now";
  return minutes < 120 ? `in ${minutes} min` : `in ${Math.round(minutes / 60)} h`;
}

export function sentence(error) {
  if (!error.problem) return "This is a bug of the dashboard's.";
  const next = error.problem.next;
  return [error.problem.detail, next && (next.command ? `${next.label}: ${next.command}` : next.label)]
    .filter(Boolean)
    .join(" ");
}

/** A question in front of everything; the value of the button that was pressed, or null. */
export function ask(title, lines, { controls = [], buttons }) {
  const dialog = document.getElementById("question");
  return new Promise((resolve) => {
    const answer = (value) => {
      resolve(value);
      dialog.close();
    };
    const form = el(
      "form",
      {
        onsubmit: (event) => {
          event.preventDefault();
          answer(buttons.length ? buttons[0][1]() : null);
        },
      },
      el("h2", { id: "question-title" }, title),
      lines.filter(Boolean).map((line) => el("p", null, line)),
      controls,
      el(
        "p",
        { class: "buttons" },
        buttons.map(([label, value], place) =>
          place === 0
            ? el("button", { class: "first" }, label)
            : el("button", { type: "button", onclick: () => answer(value()) }, label),
        ),
        el("button", { type: "button", onclick: () => answer(null) }, "Cancel"),
      ),
    );
    dialog.replaceChildren(form);
    dialog.onclose = () => resolve(null);
    dialog.showModal();
  });
}
