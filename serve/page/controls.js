// The fields of the three modes. Each writes the state and calls changed.

import { get } from "./api.js";
import { make } from "./dom.js";
import { chosen } from "./request.js";
import { ranges, state } from "./state.js";

let serial = 0;

// slider is a name, a slider, and a number that may go beyond it.
function slider(key, label, changed, { ends, dice } = {}) {
  const { min, max, step, most, fine } = ranges[key];
  const id = `f${serial++}`;
  const range = make("input", { type: "range", id, min, max, step, "aria-describedby": ends && `${id}-ends` });
  const number = make("input", { type: "number", id: `${id}-number`, min, max: most, step: fine ?? step, "aria-label": `${label}, as a number`, inputmode: "decimal" });
  const show = from => {
    if (from !== range) range.value = state[key];
    if (from !== number) number.value = state[key];
    range.style.setProperty("--at", `${100 * Math.min(1, (state[key] - min) / (max - min))}%`);
  };
  const set = (value, from) => {
    if (!Number.isFinite(value) || value < min || value > most || step === 1 && !Number.isInteger(value)) return;
    state[key] = value;
    show(from);
    changed();
  };
  range.addEventListener("input", () => set(range.valueAsNumber, range));
  number.addEventListener("input", () => set(number.valueAsNumber, number));
  number.addEventListener("change", () => show());
  show();
  const numbers = make("span", { class: "numbers" }, number);
  if (dice) {
    numbers.prepend(make("button", {
      type: "button", class: "dice", "aria-label": `${label}: any`, title: "Any", onclick: () => set(Math.floor(Math.random() * (max + 1))),
    }, "any"));
  }
  const field = make("div", { class: "field" }, make("label", { class: "label", for: id }, label), numbers, range);
  if (ends) field.append(make("span", { class: "hint", id: `${id}-ends` }, ...ends.map(e => make("span", {}, e))));
  return field;
}

// picker finds classes by what people call them: a box of those chosen, a search, a list (ARIA's
// combobox). What is typed and no entry of the list is taken as it stands: a broader term, a mix.
function picker(label, placeholder, model, read, write, many) {
  const id = `f${serial++}`;
  const list = make("ul", { class: "options", id: `${id}-list`, role: "listbox", "aria-label": `${label}: found`, hidden: true });
  const input = make("input", {
    id, type: "text", role: "combobox", "aria-expanded": "false", "aria-controls": list.id, "aria-autocomplete": "list",
    autocomplete: "off", autocapitalize: "off", spellcheck: "false", enterkeyhint: "done",
  });
  const chips = make("div", { class: "chips", onclick: e => e.target === chips && input.focus() });
  let found = [], at = -1, search = null, searched = null; // searched is settled when the list is that of the text

  const draw = () => {
    const chosen = read();
    chips.replaceChildren(...chosen.map((name, i) => make("span", { class: "chip" }, make("span", {}, name), make("button", {
      type: "button", "aria-label": `Remove ${name}`, onclick: () => { take(chosen.filter((_, j) => j !== i)); input.focus(); },
    }, "×"))), input);
    input.placeholder = chosen.length ? "" : placeholder;
  };
  const take = names => { write(names); draw(); };
  const add = name => {
    close();
    input.value = "";
    take(many ? [...read(), name] : [name]);
    input.focus();
  };
  const close = () => {
    search?.abort();
    list.hidden = true;
    at = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const point = to => {
    at = to;
    [...list.children].forEach((li, i) => li.setAttribute("aria-selected", i === at));
    if (at >= 0) {
      input.setAttribute("aria-activedescendant", list.children[at].id);
      list.children[at].scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
  };
  const option = (c, i) => make("li", {
    role: "option", id: `${id}-${i}`, "aria-selected": "false", onpointerdown: e => { e.preventDefault(); add(c.argument); },
  }, make("b", {}, c.number ?? "any"), make("span", {}, c.name), ...(c.more ? [make("small", {}, c.more)] : []));
  const find = async () => {
    search?.abort();
    search = new AbortController();
    const text = input.value.trim();
    try {
      const doc = await get("/v1/classes?" + new URLSearchParams({ model: model.name, q: text, limit: 40 }), search.signal);
      found = doc.classes.map(c => ({ ...c, more: c.synonyms?.join(", ") || c.gloss }));
      if (doc.group) found.unshift({ argument: doc.group.argument, name: doc.group.argument, more: `one of ${doc.group.classes} classes, drawn by the seed` });
      list.replaceChildren(...found.map(option));
      if (!found.length) list.append(make("li", { class: "none" }, "No class is called so"));
      list.hidden = false;
      input.setAttribute("aria-expanded", "true");
      point(found.length && text ? 0 : -1);
    } catch (e) {
      if (e.name !== "AbortError") close();
    }
  };
  const open = () => { searched = find(); };
  input.addEventListener("input", open);
  input.addEventListener("focus", open);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", async e => {
    if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      e.preventDefault();
      if (list.hidden) open();
      else if (found.length) point((at + (e.key === "ArrowDown" ? 1 : -1) + found.length) % found.length);
    } else if (e.key === "Enter") {
      e.preventDefault();
      await searched;
      if (at >= 0) add(found[at].argument);
      else if (input.value.trim()) add(input.value.trim());
    } else if (e.key === "Escape") close();
    else if (e.key === "Backspace" && !input.value && read().length) take(read().slice(0, -1));
  });
  draw();
  return make("div", { class: "picker" }, make("label", { class: "label", for: id }, label), chips, list);
}

const truncation = (model, changed) => slider("t", "Truncation", changed, { ends: ["typical", model.one_statistics ? "varied; this model is exact at 1 only" : "varied"] });

function samples(model, changed) {
  return [
    picker(model.classes === 1 ? "Class" : "Classes", "any: the seed draws them", model, () => state.classes, names => { state.classes = names; changed(); }, true),
    slider("n", "Samples", changed),
    truncation(model, changed),
    slider("seed", "Noise seed", changed, { dice: true }),
  ];
}

// ends are A and B: a class and a seed each.
function ends(model, changed, emptyB) {
  const end = (name, classKey, seedKey, empty) => make("fieldset", { class: "end" }, make("legend", {}, name),
    picker(`Class ${name}`, empty, model, () => state[classKey] ? [state[classKey]] : [], names => { state[classKey] = names[0] ?? ""; changed(); }, false),
    slider(seedKey, `Noise seed ${name}`, changed, { dice: true }));
  return make("div", { class: "ends" }, end("A", "from", "a", "any: the seed draws it"), end("B", "to", "b", emptyB));
}

function check(key, label, changed) {
  const box = make("input", { type: "checkbox", onchange: () => { state[key] = box.checked; changed(); } });
  box.checked = state[key];
  return make("label", { class: "check" }, box, label);
}

function interpolate(model, changed) {
  const slerp = make("input", { type: "checkbox", onchange: () => { state.path = slerp.checked ? "slerp" : "linear"; changed(); } });
  slerp.checked = state.path === "slerp";
  return [
    ends(model, changed, "any: the seed draws it"),
    slider("rows", "Rows", changed),
    slider("steps", "Steps", changed),
    truncation(model, changed),
    make("div", { class: "row" }, check("loop", "Animated loop", changed), make("label", { class: "check" }, slerp, "On the sphere")),
  ];
}

// blocks choose, block by block, who conditions the network.
function blocks(model, changed) {
  const on = new Set(chosen(model));
  const write = () => {
    state.blocks = on.size === model.blocks ? "all" : [...on].sort((a, b) => a - b).join(",");
    changed();
  };
  const keys = [...Array(model.blocks).keys()].map(i => {
    const key = make("button", { type: "button", "aria-pressed": on.has(i), "aria-label": `Block ${i} takes from B`, onclick: () => {
      on.has(i) ? on.delete(i) : on.add(i);
      key.setAttribute("aria-pressed", on.has(i));
      write();
    } }, i);
    return key;
  });
  return make("fieldset", { class: "blocks" }, make("legend", { class: "label" }, "Blocks that take from B"),
    make("div", { class: "keys" }, ...keys), make("span", { class: "hint" }, make("span", {}, "layout"), make("span", {}, "texture")));
}

function mix(model, changed) {
  const swap = () => {
    [state.from, state.to, state.a, state.b] = [state.to, state.from, state.b, state.a];
    changed(true);
  };
  return [
    ends(model, changed, "that of A"),
    slider("amount", "Amount of B", changed, { ends: ["A", "B"] }),
    blocks(model, changed),
    truncation(model, changed),
    make("div", { class: "row" }, make("button", { type: "button", class: "plain", onclick: swap }, "Swap A and B")),
  ];
}

// panel is the fields of the mode. changed is called with true if the fields have to be made anew.
export const panel = (model, changed) => ({ samples, interpolate, mix })[state.mode](model, changed);
