// The page: reads the address, builds the fields, draws, and offers what was drawn.

import { file, get, takeToken, Trouble } from "./api.js";
import { panel } from "./controls.js";
import { byId, make } from "./dom.js";
import { command, wanted } from "./request.js";
import { atRest, draw, drawn } from "./stage.js";
import { address, modes, remember, restore, state } from "./state.js";

let models = [], flags = [];
const model = () => models.find(m => m.name === state.model) ?? models[0];

// changed follows every change of the state.
function changed(rebuild = false) {
  if (rebuild === true) build();
  remember();
  byId("command").textContent = command(model(), flags, state.loop && state.mode === "interpolate" ? "gif" : "png");
  draw(model, report);
}

function build() {
  for (const mode of modes) {
    const tab = byId("tab-" + mode);
    tab.setAttribute("aria-selected", mode === state.mode);
    tab.tabIndex = mode === state.mode ? 0 : -1;
  }
  byId("panel").setAttribute("aria-labelledby", "tab-" + state.mode);
  byId("panel").replaceChildren(...panel(model(), changed));
  const m = model();
  byId("model").value = m.name;
  byId("facts").textContent = `${m.architecture} · ${m.side}×${m.side} · ${m.classes} classes · ${(m.parameters / 1e6).toFixed(1)} M`;
}

let quiet = 0, retry = 0;

// report tells what came of a drawing: at once for the eye, and for a reader once it is at rest.
function report({ done, error, drawing, of }) {
  if (of) {
    byId("pulse").textContent = `drawing, ${drawing} of ${of}`;
    return;
  }
  clearTimeout(retry);
  const trouble = byId("trouble");
  trouble.hidden = !error;
  if (error) {
    const known = error instanceof Trouble;
    trouble.replaceChildren(known ? error.message : "The server cannot be reached.", make("small", {}, known ? error.hint : "Is it still running? The next change tries again."));
    if (error.retry) retry = setTimeout(changed, 1000 * error.retry);
  }
  if (!done) return;
  const text = `${done.n} ${done.n === 1 ? "picture" : "pictures"} in ${done.ms.toFixed(0)} ms`;
  byId("pulse").textContent = `${text} on ${done.backend}`;
  clearTimeout(quiet);
  quiet = setTimeout(() => { byId("status").textContent = text; }, 700);
}

async function download(button) {
  const kind = button.dataset.kind;
  button.setAttribute("aria-busy", "true");
  try {
    const url = URL.createObjectURL(await file(wanted(model()), kind));
    make("a", { href: url, download: `biggan-${state.mode}.${kind}` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  } catch (error) {
    report({ error });
  }
  button.removeAttribute("aria-busy");
}

// copy puts text on the clipboard; without a secure context only the old way is there.
async function copy(button, text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = make("textarea", { readonly: true });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    button.focus();
  }
  const label = button.textContent;
  button.textContent = "Copied";
  byId("status").textContent = "Copied";
  setTimeout(() => { button.textContent = label; }, 1200);
}

function listen() {
  const tabs = modes.map(m => byId("tab-" + m));
  tabs.forEach((tab, i) => {
    tab.addEventListener("click", () => { state.mode = modes[i]; changed(true); });
    tab.addEventListener("keydown", e => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
      const to = step ? (i + step + tabs.length) % tabs.length : { Home: 0, End: tabs.length - 1 }[e.key];
      if (to === undefined) return;
      e.preventDefault();
      tabs[to].click();
      tabs[to].focus();
    });
  });
  byId("model").addEventListener("change", e => {
    Object.assign(state, { model: e.target.value === models[0].name ? "" : e.target.value, classes: [], from: "", to: "", blocks: "all" });
    changed(true);
  });
  document.querySelectorAll(".downloads [data-kind]").forEach(b => b.addEventListener("click", () => download(b)));
  byId("copy").addEventListener("click", e => copy(e.target, byId("command").textContent));
  byId("share").addEventListener("click", e => copy(e.target, location.origin + location.pathname + address()));
  byId("controls").addEventListener("submit", e => e.preventDefault());
  addEventListener("hashchange", () => { takeToken(); restore(); changed(true); });
}

takeToken();
restore();
try {
  ({ models, flags } = await get("/v1/models"));
  byId("model").replaceChildren(...models.map(m => make("option", { value: m.name }, m.name)));
  listen();
  changed(true);
} catch (error) {
  report({ error });
}
globalThis.biggan = { atRest, drawn };
