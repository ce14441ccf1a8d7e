// The name of a profile, what it is called, and its colour.

import { api } from "./api.js";
import { fillDialog, form, openDialog } from "./dialog.js";
import { el } from "./dom.js";
import { field, input } from "./field.js";
import { t } from "./words.js";

/** Told apart at a glance, on light and dark, also by people who see fewer colours. */
const COLORS = ["#0d9488", "#2563eb", "#7c3aed", "#db2777", "#dc2626", "#d97706", "#65a30d", "#64748b"];

/** Opens the dialog for one profile. */
export function editProfile(profile) {
  const dialog = openDialog({ title: t("edit.title", { name: profile.name }) });
  const label = input({ value: profile.label ?? "", maxlength: 80 });
  const name = input({ value: profile.name, maxlength: 64, required: true });
  const colors = colorChoice(profile.color);
  const submit = async () => {
    await save(profile, { name: name.value.trim(), label: label.value.trim() || null, color: colors.value() });
    dialog.close();
  };
  fillDialog(
    dialog,
    form(
      dialog,
      { submit, t: "save" },
      field({ t: "edit.label", hint: "edit.label_hint", control: label }),
      field({ t: "edit.name", hint: "edit.name_hint", control: name }),
      colors.node,
    ),
  );
}

/** Sends only what the person changed: somebody else may have changed the rest. */
async function save(profile, wanted) {
  const changed = Object.entries(wanted).filter(([key, value]) => value !== (profile[key] ?? null));
  if (changed.length > 0) await api.change(profile.name, Object.fromEntries(changed));
}

function colorChoice(color) {
  const known = COLORS.includes(color) || !color ? COLORS : [color, ...COLORS];
  const choices = [null, ...known].map((value) => swatch(value, value === (color ?? null)));
  const node = el("fieldset", { class: "swatches" }, el("legend", { t: "edit.color" }), ...choices);
  const value = () => node.querySelector("input:checked")?.value || null;
  return { node, value };
}

function swatch(color, checked) {
  const control = el("input", { type: "radio", name: "color", value: color ?? "" });
  control.checked = checked;
  control.setAttribute("aria-label", color ?? t("edit.no_color"));
  if (color) control.style.setProperty("--dot", color);
  return control;
}
