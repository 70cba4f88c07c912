/* A tab of its own for an address that is a secret: whoever has it is signed in. It stands in no element and no history of
   ours, and neither page has a hold on the other. */

import { ask } from "./page.js";

/** Lead a new tab to it. Where the browser lets none open by itself, as a while after the click, the person presses once
    more. False or null where no tab was opened. */
export function openApart(address, what) {
  return (
    lead(address) ||
    ask(`Open ${what}?`, ["Your browser opens no tab by itself now. The link works once, within a minute."], {
      buttons: [["Open in a new tab", () => lead(address)]],
    })
  );
}

function lead(address) {
  const tab = window.open("about:blank"); // with noopener the browser would not say whether it opened one
  if (!tab) return false;
  tab.opener = null;
  tab.location.replace(address);
  return true;
}
