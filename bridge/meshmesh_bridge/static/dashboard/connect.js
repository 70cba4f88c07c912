/* The connect form. */

import { el, field, sentence } from "./page.js";
import { api } from "./service.js";
import { begun } from "./sign_in.js";

const MANAGED_APP =
  "Without an app of your own the sign-in uses Salesforce's PlatformCLI app, the one of the sf command line. " +
  "A user has five approvals of an app, and sf's count among them; an admin may have blocked it.";
const ENVIRONMENTS = [
  ["production", "Production", "Developer Edition too"],
  ["sandbox", "Sandbox", ""],
  ["custom", "Custom Domain", "your org's own My Domain"],
  ["demo", "Demo org", "fake, on this machine"],
];

export function connectForm() {
  const name = el("input", { id: "name", maxlength: "63", autocomplete: "off", spellcheck: "false", placeholder: "acme-uat" });
  const domain = el("input", { id: "domain", autocomplete: "off", spellcheck: "false", placeholder: "acme.my.salesforce.com" });
  const domainField = field("Domain", domain);
  domainField.hidden = true;
  const chosen = (form) => new FormData(form).get("environment");
  const form = el(
    "form",
    {
      id: "connect-form",
      onchange: () => {
        domainField.hidden = chosen(form) !== "custom";
      },
      onsubmit: (event) => {
        event.preventDefault();
        void submit(form);
      },
    },
    field("Name, as you will type it in commands", name),
    el(
      "fieldset",
      null,
      el("legend", null, "Where do you sign in?"),
      ENVIRONMENTS.map(([value, label, hint], place) =>
        el("label", { class: "choice" },
          el("input", { type: "radio", name: "environment", value, checked: place === 0 }), ` ${label}`,
          hint ? el("span", { class: "hint" }, ` (${hint})`) : null),
      ),
      domainField,
    ),
    advanced(),
    el("p", { class: "hint" }, MANAGED_APP),
    el("p", { id: "connect-trouble", role: "alert" }),
    el("p", { class: "buttons" }, el("button", { class: "first" }, "Connect")),
  );
  return form;
}

function advanced() {
  return el(
    "details",
    null,
    el("summary", null, "Advanced Settings"),
    el("p", { class: "hint" }, `Use an app of your own: its callback URL is ${location.protocol}//localhost:${location.port}/OauthRedirect`),
    field("Client ID", el("input", { name: "client_id", autocomplete: "off", spellcheck: "false" })),
    field("Client Secret (if the app wants one)", el("input", { name: "client_secret", type: "password", autocomplete: "off" })),
    field(
      "Flow",
      el("select", { name: "flow" },
        el("option", { value: "authorization_code" }, "A person signs in (authorization code)"),
        el("option", { value: "client_credentials" }, "Without a person (client credentials)")),
    ),
    el("fieldset", null, el("legend", null, "Permissions"),
      el("div", { class: "choices", tabindex: "0", role: "group", "aria-label": "Permissions" },
        document.getElementById("permissions").content.cloneNode(true))),
  );
}

function connectBody(form) {
  const data = new FormData(form);
  const text = (id) => String(data.get(id) ?? "").trim();
  const name = form.querySelector("#name").value.trim();
  const domain = form.querySelector("#domain").value.trim();
  const body = { environment: text("environment") };
  if (name) body.name = name;
  if (body.environment === "custom" && domain) body.domain = domain;
  if (text("client_id")) {
    body.app = { client_id: text("client_id"), flow: text("flow") };
    if (text("client_secret")) body.app.client_secret = text("client_secret");
  }
  const more = [...form.querySelectorAll("input[name=scope]:checked:not(:disabled)")];
  if (more.length && body.app?.flow !== "client_credentials") {
    body.scopes = [...form.querySelectorAll("input[name=scope]:checked")].flatMap((box) => box.value.split(" "));
  }
  return body;
}

async function submit(form) {
  const trouble = form.querySelector("#connect-trouble");
  const press = form.querySelector("button.first");
  trouble.textContent = "";
  press.disabled = true;
  try {
    await begun(api("POST", "/v1/connections", connectBody(form)), "Sign in");
    form.reset();
    form.dispatchEvent(new Event("change"));
  } catch (error) {
    trouble.textContent = sentence(error);
  } finally {
    press.disabled = false;
  }
}
