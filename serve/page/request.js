// What the state asks for: as requests to the API, and as a command line.

import { state } from "./state.js";

// columns of the squarest grid, as the program counts them.
export const columns = n => Math.ceil(Math.sqrt(n));

// blocks are the blocks that take from B: an array of numbers from 0.
export const chosen = model => state.blocks === "all" ? [...Array(model.blocks).keys()]
  : state.blocks.split(",").filter(Boolean).map(Number).filter(i => i < model.blocks);

// spans writes numbers as "0-3", "5".
export function spans(numbers) {
  const all = [];
  for (const n of [...numbers].sort((a, b) => a - b)) {
    const last = all.at(-1);
    if (last && last[1] === n - 1) last[1] = n;
    else all.push([n, n]);
  }
  return all.map(([from, to]) => from === to ? `${from}` : `${from}-${to}`);
}

const shorten = x => String(Number(x.toFixed(4)));

// other is what B is in a mix: its seed, and its class if it has one of its own.
const other = () => [`seed:${state.b}`, ...(state.to ? [`class:${state.to}`] : [])];

// mixes are the arguments that let blocks take from B.
export function mixes(model) {
  const numbers = chosen(model);
  const keep = 1 - state.amount;
  const what = other();
  if (keep > 0) what.push(`keep:${shorten(keep)}`);
  const where = numbers.length === model.blocks ? ["all"] : spans(numbers);
  return where.map(blocks => `${blocks}=${what.join(",")}`);
}

const base = model => ({ model: model.name, truncation: state.t });

// wanted is the request of the whole that is on the page.
export function wanted(model) {
  switch (state.mode) {
    case "samples": return generate(model, state.n, 0);
    case "interpolate": return {
      path: "/v1/interpolate",
      body: {
        ...base(model), from: state.from, to: state.to, seed_a: state.a, seed_b: state.b, rows: state.rows, steps: state.steps,
        loop: state.loop, path: state.path,
      },
    };
    default: return { path: "/v1/generate", body: { ...base(model), classes: list(state.from), n: 1, drawn: 1, seed: state.a, mix: mixes(model) } };
  }
}

const list = name => name ? [name] : [];

function generate(model, n, first) {
  const body = { ...base(model), classes: state.classes, n, first, seed: state.seed };
  if (!state.classes.length) body.drawn = Math.min(columns(state.n), model.classes);
  return { path: "/v1/generate", body };
}

// part is a request for the next pictures of the whole, at most size of them, when done are there;
// null if none is missing. A slow model so shows something early, and a change of mind costs little.
export function part(model, done, size) {
  if (done >= total()) return null;
  const whole = wanted(model);
  if (state.mode === "samples") return generate(model, Math.min(size, state.n - done), done);
  if (state.mode === "interpolate") return whole;
  const mix = [whole.body.mix, [], [`all=${other().join(",")}`]][done]; // the mix first, then its ends
  return { path: whole.path, body: { ...whole.body, mix } };
}

// steps is how many pictures a row of the interpolation has.
export const steps = () => state.loop ? 2 * (state.steps - 1) : state.steps;

// total is how many pictures the page shows.
export const total = () => ({ samples: state.n, interpolate: state.rows * steps(), mix: 3 })[state.mode];

// quote makes one word of the shell of a text.
const quote = text => /^[\w.,:=@%+\/-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

// command is the line that draws the same; flags are those that the server draws with.
export function command(model, flags, kind = "png") {
  const words = ["biggan", state.mode === "interpolate" ? "interpolate" : "generate"];
  const add = (flag, value) => words.push(flag, quote(String(value)));
  if (model.argument !== "letters") add("-m", model.argument);
  if (state.mode === "samples") {
    state.classes.forEach(c => add("-c", c));
    add("-n", state.n);
    add("--seed", state.seed);
  } else if (state.mode === "interpolate") {
    if (state.from) add("--from", state.from);
    if (state.to) add("--to", state.to);
    add("--seed-a", state.a);
    add("--seed-b", state.b);
    add("--rows", state.rows);
    add("--steps", state.steps);
    if (state.loop) words.push("--loop");
    if (state.path !== "linear") add("--path", state.path);
  } else {
    if (state.from) add("-c", state.from);
    add("-n", 1);
    add("--seed", state.a);
    mixes(model).forEach(m => add("--mix", m));
  }
  add("--truncation", state.t);
  words.push(...flags.map(quote));
  add("-o", "biggan." + kind);
  return words.join(" ");
}
