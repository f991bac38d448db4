// What the page shows is a flat record. The part of it that differs from the defaults stands in
// the address after "#", so that a page can be reloaded and shared; "token" never stays there.

export const defaults = {
  mode: "samples", model: "",
  classes: [], n: 10, seed: 0, t: 0.4, // samples: the Colab demo's values
  from: "", to: "", a: 0, b: 1, rows: 2, steps: 5, loop: false, path: "linear", // interpolate and mix
  amount: 0.5, blocks: "all",
};

// Ranges are those of the Colab demo's sliders; a number that is typed may go up to most.
export const ranges = {
  n: { min: 1, max: 20, step: 1, most: 1024 },
  t: { min: 0, max: 1, step: 0.02, most: 1, fine: "any" },
  seed: { min: 0, max: 100, step: 1, most: 4294967295 },
  a: { min: 0, max: 100, step: 1, most: 4294967295 },
  b: { min: 0, max: 100, step: 1, most: 4294967295 },
  rows: { min: 1, max: 5, step: 1, most: 5 },
  steps: { min: 2, max: 10, step: 1, most: 64 },
  amount: { min: 0, max: 1, step: 0.02, most: 1, fine: "any" },
};

export const modes = ["samples", "interpolate", "mix"];

export const state = structuredClone(defaults);

// restore reads the address. What is no value of a field is left out.
export function restore() {
  const words = new URLSearchParams(location.hash.slice(1));
  Object.assign(state, structuredClone(defaults));
  for (const key of Object.keys(defaults)) {
    if (!words.has(key)) continue;
    const text = words.get(key);
    if (key === "classes") state.classes = words.getAll(key).filter(Boolean);
    else if (ranges[key]) {
      const n = Number(text);
      if (text !== "" && n >= ranges[key].min && n <= ranges[key].most) state[key] = ranges[key].step === 1 ? Math.round(n) : n;
    } else if (typeof defaults[key] === "boolean") state[key] = text === "true";
    else state[key] = text;
  }
  if (!modes.includes(state.mode)) state.mode = defaults.mode;
  if (state.path !== "slerp") state.path = "linear";
  if (state.blocks !== "all" && !/^(\d+(,\d+)*)?$/.test(state.blocks)) state.blocks = "all";
}

// address is the state as it stands after "#".
export function address() {
  const words = new URLSearchParams();
  for (const [key, value] of Object.entries(state)) {
    if (key === "classes") value.forEach(c => words.append(key, c));
    else if (value !== defaults[key]) words.set(key, value);
  }
  return "#" + words;
}

let timer = 0;

// remember puts the state into the address once it has come to rest: browsers limit how often.
export function remember() {
  clearTimeout(timer);
  timer = setTimeout(() => history.replaceState(null, "", address()), 200);
}
