/* The swap "keep" for htmx: of what is shown already, what did not change stays as it is, with what a person typed or
   focused in it. Elements are told apart by their ids; the children of one with data-parts are compared one by one. */

import { settle } from "./forms.js";

const GUARD_MILLISECONDS = 700; // nothing that needs a decision comes under a hand that is about to click

const sources = new WeakMap(); // an element on the page to the HTML that it was made of

function remember(element) {
  for (const one of [element, ...element.querySelectorAll("[id]")]) sources.set(one, one.outerHTML);
}

function guard(element) {
  for (const one of [element, ...element.querySelectorAll("[data-guard]")].filter((node) => "guard" in node.dataset)) {
    one.inert = true;
    setTimeout(() => {
      one.inert = false;
    }, GUARD_MILLISECONDS);
  }
}

/** What a person ticked or unticked stays so in what takes its place: a yes is never for more than was chosen. */
function carryTicks(old, node) {
  const fresh = [...node.querySelectorAll("[type=checkbox][value]")];
  for (const box of old.querySelectorAll("[type=checkbox][value]")) {
    if (box.checked === box.defaultChecked) continue;
    const same = fresh.find((one) => one.name === box.name && one.value === box.value && one.form?.id === box.form?.id);
    if (!same) continue;
    same.checked = box.checked;
    settle(same.form);
  }
}

/** Make the children of one element those of another; new ones are added to `fresh`. */
function reconcile(target, wanted, fresh) {
  const shown = new Map([...target.children].filter((child) => child.id).map((child) => [child.id, child]));
  let place = target.firstElementChild;
  for (const node of [...wanted.children]) {
    const old = shown.get(node.id);
    const same = old && sources.get(old) === node.outerHTML;
    if (old && (same || ("parts" in node.dataset && "parts" in old.dataset))) {
      if (!same) {
        sources.set(old, node.outerHTML);
        reconcile(old, node, fresh);
      }
      if (old === place) place = old.nextElementSibling;
      else target.insertBefore(old, place);
      continue;
    }
    remember(node);
    guard(node);
    if (old) {
      carryTicks(old, node);
      if (old === place) place = old.nextElementSibling;
      old.replaceWith(node);
      if (node.nextElementSibling !== place) target.insertBefore(node, place);
    } else target.insertBefore(node, place);
    fresh.push(node);
  }
  while (place) {
    const next = place.nextElementSibling;
    place.remove();
    place = next;
  }
}

export function install() {
  window.htmx.defineExtension("keep", {
    isInlineSwap: (style) => style === "keep",
    handleSwap: (style, target, fragment) => {
      if (style !== "keep") return false;
      const focused = document.activeElement?.id;
      const fresh = [];
      reconcile(target, fragment, fresh);
      if (focused && document.activeElement === document.body) document.getElementById(focused)?.focus();
      return fresh;
    },
  });
}
