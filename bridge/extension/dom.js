/* Elements from values: text is text, never markup. */

/** An element; children are elements or texts, and what is null is left out. */
export function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") made.addEventListener("click", value);
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

export function paragraph(text, style = "") {
  return element("p", style ? { class: style } : {}, text);
}

export function button(text, onclick) {
  return element("button", { type: "button", onclick }, text);
}

/** A link that opens a tab of its own. */
export function link(text, href, style = "") {
  return element("a", { href, target: "_blank", rel: "noopener", ...(style ? { class: style } : {}) }, text);
}
