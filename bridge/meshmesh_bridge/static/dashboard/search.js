/* Search and filter chips: what does not fit is hidden. They work on what the page shows, and so need no answer to wait for. */

let words = "";
let chosen = "all";

function fits(element) {
  const flags = element.dataset.flags.split(" ");
  return element.dataset.words.includes(words) && (chosen === "all" || flags.includes(chosen));
}

/** Show what fits. */
export function sift() {
  for (const chip of document.querySelectorAll("[data-show]")) {
    chip.setAttribute("aria-pressed", String(chip.dataset.show === chosen));
  }
  const found = [...document.querySelectorAll("#view [data-words]")];
  for (const element of found) element.hidden = !fits(element);
  for (const group of document.querySelectorAll("[data-group]")) {
    group.hidden = !group.querySelector("[data-words]:not([hidden])");
  }
  const nothing = document.getElementById("nothing");
  if (nothing) nothing.hidden = !found.length || found.some((element) => !element.hidden);
}

addEventListener("input", (event) => {
  if (event.target.dataset.search === undefined) return;
  words = event.target.value.trim().toLowerCase();
  sift();
});
addEventListener("click", (event) => {
  const chip = event.target.closest?.("[data-show]");
  if (!chip) return;
  chosen = chip.dataset.show;
  sift();
});
