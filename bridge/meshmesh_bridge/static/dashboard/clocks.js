/* Moments as a person reads them: how long ago, how far ahead, how much is left; kept up to date in the page. */

const TICK_MILLISECONDS = 1000;
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const WORDS = {
  ago: (seconds, moment) => {
    if (seconds < MINUTE) return "just now";
    if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min ago`;
    if (seconds < 2 * DAY) return `${Math.floor(seconds / HOUR)} h ago`;
    return moment.toLocaleDateString();
  },
  ahead: (seconds) => {
    const left = -seconds;
    if (left <= 0) return "now";
    return left < 2 * HOUR ? `in ${Math.ceil(left / MINUTE)} min` : `in ${Math.round(left / HOUR)} h`;
  },
  left: (seconds) => {
    const left = Math.max(0, Math.ceil(-seconds));
    if (!left) return "now";
    return `in ${Math.floor(left / MINUTE)}:${String(left % MINUTE).padStart(2, "0")}`;
  },
};

export function tick() {
  for (const time of document.querySelectorAll("time[data-clock]")) {
    const moment = new Date(time.dateTime);
    const text = WORDS[time.dataset.clock]((Date.now() - moment.getTime()) / 1000, moment);
    if (time.textContent !== text) time.textContent = text;
    if (!time.title) time.title = moment.toLocaleString();
  }
}

setInterval(tick, TICK_MILLISECONDS);
