/* Which connection the current tab is, and who is signed in there.

   Clicking the extension's button lends it the tab (`activeTab`): its address, and one look into its page. No cookie is
   read, and nothing is asked of Salesforce from the tab. Who is signed in is what the page itself says: a page that lies
   can only make this hint wrong, since nothing else follows from it. */

import { call } from "./service.js";

// Where people see an org; sites, whose pages customers write themselves, are none.
const FACES = [
  /\.my\.salesforce\.com$/,
  /\.lightning\.force\.com$/,
  /\.my\.salesforce-setup\.com$/,
  /\.vf\.force\.com$/,
  /\.my\.salesforce\.mil$/,
  /\.lightning\.crmforce\.mil$/,
  /\.my\.sfcrmproducts\.cn$/,
  /\.(?:lightning\.sfcrmapps|setup\.sfcrmproducts)\.cn$/,
  /^[a-z]{2,4}[0-9]{1,4}[sz]?\.salesforce\.com$/,
  /^localhost:[0-9]+$/, // the demo org
];
const USER_ID = /^005[0-9A-Za-z]{12}(?:[0-9A-Za-z]{3})?$/;
const ID_LENGTH = 15; // an id of 18 characters ends in a checksum

/** The host of the current tab, if people see an org there; null else. */
export async function currentTab() {
  const [tab] = await chrome.tabs.query({ active: true, currentWindow: true });
  const host = tab?.url && URL.canParse(tab.url) ? new URL(tab.url).host : "";
  return FACES.some((face) => face.test(host)) ? { id: tab.id, host } : null;
}

/** What there is to say of a tab: its connections, each with `same`: whether its user is the tab's (null: not known). */
export async function look(tab) {
  const { connections } = await call(`/v1/connections?host=${encodeURIComponent(tab.host)}`);
  if (connections.length === 0) return { connections, there: null };
  const user = await userOfPage(tab.id);
  const told = await Promise.all(connections.map((connection) => compare(connection, user)));
  const strange = user !== null && told.every((one) => one.same === false);
  return { connections: told, there: strange ? await nameOf(connections[0], user) : null };
}

async function compare(connection, user) {
  const acts = user === null ? null : await userOf(connection);
  return { ...connection, same: acts === null ? null : acts.slice(0, ID_LENGTH) === user.slice(0, ID_LENGTH) };
}

/** The user of the page, in its own words; null where it does not say. */
async function userOfPage(tabId) {
  try {
    const [{ result }] = await chrome.scripting.executeScript({ target: { tabId }, world: "MAIN", func: signedInUser });
    return typeof result === "string" && USER_ID.test(result) ? result : null;
  } catch {
    return null; // a page that no extension may look into
  }
}

/** Runs in the page: Lightning Experience keeps its user in Aura's globals, Classic and Visualforce in `UserContext`. */
function signedInUser() {
  try {
    return globalThis.$A?.get("$SObjectType.CurrentUser.Id") ?? globalThis.UserContext?.userId ?? null;
  } catch {
    return null;
  }
}

/** The user that a connection acts as, through the broker; null where that cannot be told now. */
async function userOf(connection) {
  if (connection.status !== "connected") return null;
  const key = `${connection.name} ${connection.signed_in_at}`;
  const { users = {} } = await chrome.storage.session.get("users");
  if (users[key]) return users[key];
  const resources = await call(`${broker(connection)}`).catch(() => null);
  const user = resources?.identity?.split("/").pop() ?? "";
  if (!USER_ID.test(user)) return null;
  await chrome.storage.session.set({ users: { ...users, [key]: user } });
  return user;
}

/** The login of a user of that org, through the broker; the id where the connection may not see it. */
async function nameOf(connection, user) {
  const found = await call(`${broker(connection)}/sobjects/User/${user}?fields=Username`).catch(() => null);
  return found?.Username ?? user;
}

function broker(connection) {
  return `/o/${encodeURIComponent(connection.name)}/services/data/v${connection.api_version}`;
}
