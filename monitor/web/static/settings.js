// Per-stream settings, as records of ecg.profiles: muted until, false-alarm budget, paced, lead names.

import { get, send } from "./api.js";
import { h, notice } from "./dom.js";
import { moment, serverNow, zone } from "./time.js";

const MUTE_MIN = [15, 60, 240, 720];

/** "2026-11-21T14:03" in the viewer's zone, as an input of kind datetime-local wants it. */
export function localInput(timeUs) {
  const date = new Date(timeUs / 1000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

function fieldsOf(profile) {
  const muted = profile.muted_until_us !== null && profile.muted_until_us > serverNow();
  return {
    until: h("input", {
      type: "datetime-local",
      name: "until",
      value: muted ? localInput(profile.muted_until_us) : "",
    }),
    budget: h("input", {
      type: "number",
      name: "budget",
      min: "0.01",
      step: "any",
      placeholder: "the monitor's own",
      value: profile.false_alarm_budget_per_hour ?? "",
    }),
    paced: h("input", { type: "checkbox", name: "paced", checked: profile.paced }),
    leads: h("input", {
      name: "leads",
      placeholder: "as the device names them",
      value: (profile.lead_names ?? []).join(", "),
    }),
  };
}

function profileOf(fields, stream, by) {
  const names = fields.leads.value
    .split(",")
    .map((name) => name.trim())
    .filter(Boolean);
  return {
    stream,
    by,
    muted_until_us: fields.until.value ? new Date(fields.until.value).getTime() * 1000 : null,
    false_alarm_budget_per_hour: fields.budget.value ? Number(fields.budget.value) : null,
    paced: fields.paced.checked,
    lead_names: names.length ? names : null,
  };
}

/** Show the settings of a stream in a dialog. */
export async function openSettings(stream, row, verdicts) {
  let profile;
  try {
    profile = await get(`profiles/${encodeURIComponent(stream)}`);
  } catch (error) {
    notice(`No settings: ${error.message}.`);
    return;
  }
  const fields = fieldsOf(profile);
  const failure = h("p", { class: "failure", role: "alert", hidden: true });
  const who = h("input", { name: "by", maxlength: 60, required: true, value: verdicts.who.value });
  const dialog = h("dialog", {
    class: "settings",
    "aria-labelledby": "settings-title",
    onclose: () => dialog.remove(),
  });
  const save = async (event) => {
    event.preventDefault();
    verdicts.who.value = who.value.trim();
    verdicts.who.dispatchEvent(new Event("change"));
    try {
      await send(
        "PUT",
        `profiles/${encodeURIComponent(stream)}`,
        profileOf(fields, stream, verdicts.who.value),
      );
    } catch (error) {
      failure.hidden = false;
      failure.textContent = `Not kept: ${error.message}.`;
      return;
    }
    dialog.close();
    notice(`Settings of ${stream} kept; the worker follows them within seconds.`);
  };
  dialog.append(
    h("h2", { id: "settings-title" }, `Settings of ${stream}`),
    profile.by ? h("p", { class: "soft" }, `last changed by ${profile.by} at ${moment(profile.at_us)}`) : "",
    form(fields, who, failure, save, dialog, row),
  );
  document.body.append(dialog);
  dialog.showModal();
}

function form(fields, who, failure, save, dialog, row) {
  const mute = (minutes) => {
    fields.until.value = minutes ? localInput(serverNow() + minutes * 60e6 + 59e6) : "";
  };
  const choices = MUTE_MIN.map((minutes) =>
    h(
      "button",
      { type: "button", onclick: () => mute(minutes) },
      minutes < 60 ? `${minutes} min` : `${minutes / 60} h`,
    ),
  );
  const leads = row
    ? `the device says ${row.leads.join(", ")}; with commas, in the same order`
    : "with commas";
  return h(
    "form",
    { onsubmit: save },
    h(
      "fieldset",
      {},
      h("legend", {}, `Mute alarms until (${zone()})`),
      h(
        "div",
        { class: "bar" },
        fields.until,
        choices,
        h("button", { type: "button", onclick: () => mute(0) }, "Not muted"),
      ),
    ),
    h("label", { class: "field" }, "False-alarm budget, events per hour", fields.budget),
    h("label", { class: "field" }, h("span", {}, fields.paced, " The patient has a pacemaker")),
    h("label", { class: "field" }, "Lead names", fields.leads, h("small", { class: "soft" }, leads)),
    h("label", { class: "field" }, "Your name", who),
    failure,
    h(
      "div",
      { class: "bar" },
      h("button", { class: "main" }, "Keep"),
      h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"),
    ),
  );
}
