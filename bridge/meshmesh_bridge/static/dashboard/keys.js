/* Keys: / search, j and k from card to card, Enter opens one, r reconnects it, t tests it. Each does what a button does. */

function cards() {
  return [...document.querySelectorAll("#view article:not([hidden])")].filter((card) => card.offsetParent);
}

function move(step) {
  const all = cards();
  const here = all.findIndex((card) => card.contains(document.activeElement));
  const next = all[Math.min(Math.max(here + step, 0), all.length - 1)];
  next?.querySelector("a, button, input, select")?.focus();
}

function press(key) {
  const card = document.activeElement?.closest("article");
  card?.querySelector(`[data-key="${key}"]`)?.click();
}

const DEEDS = {
  "/": () => document.getElementById("search")?.focus(),
  j: () => move(1),
  k: () => move(-1),
  r: () => press("r"),
  t: () => press("t"),
};

addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, select, textarea, dialog");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !DEEDS[event.key]) return;
  event.preventDefault();
  DEEDS[event.key]();
});
