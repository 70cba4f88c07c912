/* The badge: how many connections need the person, in a number and in words. */

const ALARM = "#b3261e";
const QUIET = "#5b6470";

const LOOKS = {
  unknown: () => ["", QUIET, "MeshMesh"],
  unpaired: () => ["?", QUIET, "MeshMesh: not paired yet"],
  unreachable: () => ["–", QUIET, "MeshMesh: the service is not running"],
  refused: (state) => ["–", QUIET, `MeshMesh: ${state.detail}`],
  heard: (state) => {
    const count = needing(state).length;
    if (count === 0) return ["", QUIET, "MeshMesh: nothing needs you"];
    return [String(count), ALARM, `MeshMesh: ${count === 1 ? "1 connection needs" : `${count} connections need`} you`];
  },
};

/** The connections that only a person can mend. */
export function needing(state) {
  return state.connections.filter((connection) => connection.status === "needs_you");
}

export async function show(state) {
  const [text, color, title] = LOOKS[state.kind](state);
  await chrome.action.setTitle({ title });
  await chrome.action.setBadgeBackgroundColor({ color });
  await chrome.action.setBadgeText({ text });
}
