/* What a form says, as the body of an API call.

   name="a.b"               a member of a member
   data-type                words: a list; whole: a number; flag: true; span: seconds, or the moment until which
   data-sets="name=value"   a switch that gives another control its value
   data-when="name=value"   shown only then; what is not shown is not sent (data-when="name=": only while it is empty)
   data-entry, data-about   a fieldset that is one entry of a list, and falls away without the member it is about
   data-each="list"         a control whose value each entry of the list gets
   data-always="list"       a form that sends the list even where it is empty
   data-all                 a box that ticks every other one in its fieldset
   data-count="name"        how many boxes of this name are ticked
   data-preset="name=value ..."   a button that gives the controls of its fieldset these values, and sends the form
*/

const READERS = {
  words: (control) => control.value.split(" "),
  whole: (control) => Number(control.value),
  flag: (control) => control.value === "true",
  span: (control) => (/^\d+$/.test(control.value) ? Number(control.value) : secondsUntil(control.value)),
};

function secondsUntil(moment) {
  return Math.max(1, Math.floor((Date.parse(moment) - Date.now()) / 1000));
}

function valueOf(control) {
  if ((control.type === "checkbox" || control.type === "radio") && !control.checked) return undefined;
  if (control.type === "checkbox" && !control.hasAttribute("value")) return true;
  const text = "raw" in control.dataset ? control.value : control.value.trim();
  if (text === "") return undefined;
  return READERS[control.dataset.type]?.(control) ?? text;
}

function isSent(control) {
  return control.name && !control.disabled && !control.closest("[data-when][hidden]");
}

function put(target, name, value) {
  const [first, ...rest] = name.split(".");
  if (rest.length) return put((target[first] ??= {}), rest.join("."), value);
  if (Array.isArray(value) && Array.isArray(target[first])) target[first].push(...value);
  else target[first] = value;
}

/** The body that a form stands for; `pressed` is the button, which may bring a value too. */
export function bodyOf(form, pressed) {
  const body = form.dataset.always ? { [form.dataset.always]: [] } : {};
  const entries = new Map();
  const controls = [...form.elements].filter((control) => control.type !== "submit" || control === pressed).filter(isSent);
  for (const control of controls) {
    const value = valueOf(control);
    const entry = control.closest("[data-entry]");
    if (entry && !entries.has(entry)) entries.set(entry, {});
    if (value === undefined || control.dataset.each) continue;
    put(entry ? entries.get(entry) : body, control.name, value);
  }
  for (const [fieldset, entry] of entries) {
    if (entry[fieldset.dataset.about] === undefined) continue;
    (body[fieldset.dataset.entry] ??= []).push(entry);
  }
  for (const control of controls.filter((one) => one.dataset.each && valueOf(one) !== undefined)) {
    for (const entry of body[control.dataset.each] ?? []) entry[control.name] = valueOf(control);
  }
  return body;
}

/** Bring a form in line with its switches. */
export function settle(form) {
  for (const control of form.querySelectorAll("[data-sets]")) {
    const [name] = control.dataset.sets.split("=");
    form.elements[name].value = form.elements[name].defaultValue;
  }
  for (const control of form.querySelectorAll("[data-sets]:checked")) {
    const [name, value] = control.dataset.sets.split("=");
    form.elements[name].value = value;
  }
  for (const part of form.querySelectorAll("[data-when]")) {
    const [name, value] = part.dataset.when.split("=");
    part.hidden = form.elements[name].value !== value;
  }
  for (const place of form.querySelectorAll("[data-count]")) {
    place.textContent = form.querySelectorAll(`[name="${place.dataset.count}"]:checked`).length;
  }
  for (const all of form.querySelectorAll("[data-all]")) {
    all.checked = boxes(all).every((box) => box.checked);
    all.indeterminate = !all.checked && boxes(all).some((box) => box.checked);
  }
}

function boxes(all) {
  return [...all.closest("fieldset").querySelectorAll("[type=checkbox]")].filter((box) => box !== all);
}

addEventListener("input", (event) => {
  const form = event.target.form;
  if (!form) return;
  if ("all" in event.target.dataset) for (const box of boxes(event.target)) box.checked = event.target.checked;
  if ("fixed" in event.target.dataset) event.target.checked = true;
  for (const again of form.querySelectorAll("[data-same]")) {
    again.setCustomValidity(again.value === form.elements[again.dataset.same].value ? "" : "The two differ.");
  }
  settle(form);
});

addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-preset]");
  if (!button) return;
  for (const preset of button.dataset.preset.split(" ")) {
    const [name, value] = preset.split("=");
    button.closest("fieldset").querySelector(`[name="${name}"]`).value = value;
  }
  button.form.requestSubmit();
});
