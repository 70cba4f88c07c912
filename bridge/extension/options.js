/* The settings: the port. */

import { mayCall } from "./access.js";
import { port } from "./store.js";

const field = document.getElementById("port");
const said = document.getElementById("said");

field.value = await port();
document.getElementById("form").addEventListener("submit", (event) => {
  event.preventDefault();
  void save(field.valueAsNumber);
});

async function save(number) {
  if (!(await mayCall(number))) {
    said.textContent = "Nothing was changed: without your leave this extension may not call that port.";
    return;
  }
  if (number !== (await port())) await chrome.runtime.sendMessage({ deed: "move", port: number });
  said.textContent = `Saved. The service is looked for at localhost:${number}.`;
}
