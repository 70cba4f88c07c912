/* The browser's own question: may this extension call that port? Only a click can put it. */

/** Ask for a port of this machine; resolves to whether we may call it. Nothing may be awaited before it. */
export function mayCall(port) {
  // Firefox knows no ports in such patterns
  const firefox = navigator.userAgent.includes("Firefox/");
  return chrome.permissions.request({ origins: [firefox ? "http://localhost/*" : `http://localhost:${port}/*`] });
}
