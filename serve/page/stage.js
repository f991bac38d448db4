// The pictures, and when they are drawn: one request at a time, the newest wish next, and a
// request that nobody waits for any more is cancelled unless it is about to end.

import { pictures } from "./api.js";
import { byId, make } from "./dom.js";
import { chosen, columns, part, steps, total } from "./request.js";
import { state } from "./state.js";

const grace = 250; // ms that a request may go on though the wish has changed: quick ones show while a slider moves
const frameTime = 1000 / 10;

const stage = byId("stage"), grid = byId("pictures"), player = byId("player");

let busy = null; // the AbortController of what is under way
let started = 0;
let stale = false; // the wish has changed since
let pace = 0; // ms a picture, of this model
let paceOf = "";

// atRest is whether all that was wished for is shown.
export const atRest = () => !busy;

// drawn are the pictures that were shown, for a test and for whoever is curious.
export const drawn = { answers: 0, pictures: 0, first: 0 };

// draw shows what the state asks for. model and reports are those of the first wish in a row.
export async function draw(model, report) {
  if (busy) {
    stale = true;
    const current = busy;
    setTimeout(() => { if (stale && busy === current) current.abort(); }, Math.max(0, started + grace - performance.now()));
    return;
  }
  do {
    stale = false;
    busy = new AbortController();
    started = performance.now();
    try {
      stage.classList.add("stale");
      report({ done: await show(model(), report, busy.signal) });
    } catch (e) {
      if (e.name !== "AbortError") report({ error: e });
    }
    busy = null;
  } while (stale);
  stage.classList.remove("stale");
}

// show draws part after part; null if the wish changed in between.
async function show(model, report, signal) {
  if (paceOf !== model.name) [pace, paceOf] = [0, model.name];
  const all = [], begun = shape();
  let ms = 0, backend = "";
  arrange(model, all);
  for (let request; (request = part(model, all.length, pace ? Math.max(1, Math.round(grace / pace)) : 1));) {
    if (!pace || pace * total() > grace) report({ drawing: all.length, of: total() });
    const doc = await pictures(request, signal);
    if (shape() !== begun) return null; // there is no place for these any more
    pace = doc.ms / doc.pictures.length;
    ms += doc.ms;
    backend = doc.backend;
    all.push(...doc.pictures);
    drawn.answers++;
    drawn.pictures += doc.pictures.length;
    drawn.first ||= performance.now();
    arrange(model, all);
    if (stale && all.length < total()) return null;
  }
  return { ms, backend, n: all.length };
}

// shape is what the places of the pictures depend on.
const shape = () => [state.mode, state.loop, total(), steps()].join();

// arrange makes the places of all pictures, and puts those in that are there.
function arrange(model, all) {
  grid.classList.toggle("pixels", model.side <= 64);
  player.classList.toggle("pixels", model.side <= 64);
  grid.classList.toggle("trio", state.mode === "mix");
  const moving = state.mode === "interpolate" && state.loop;
  if (moving && !all.length) return; // the loop before goes on
  grid.hidden = moving;
  player.hidden = !moving;
  if (moving) return play(all);
  stop();
  if (state.mode === "mix") return trio(model, all);
  const n = total(), samples = state.mode === "samples";
  const across = samples ? columns(n) : steps();
  grid.style.setProperty("--columns", across);
  grid.style.setProperty("--aspect", across / Math.ceil(n / across));
  fit(n);
  all.forEach((p, i) => put(grid.children[i], p, p.class, samples ? `${p.class}, picture ${i + 1} of ${n}` : `Row ${p.row + 1}, step ${p.step + 1}: ${p.class}`));
}

// trio is A, the mix, and B.
function trio(model, all) {
  fit(3);
  const some = chosen(model).length;
  const captions = [some ? `${Math.round(100 * state.amount)}% B in ${some} of ${model.blocks} blocks` : "A, untouched", `A: ${all[1]?.class ?? ""}`, `B: ${all[2]?.class ?? ""}`];
  [1, 0, 2].forEach((place, i) => { if (all[i]) put(grid.children[place], all[i], captions[i], `${["Mix", "A", "B"][i]}: ${all[i].class}`); });
}

// fit makes the grid hold n places; those that stay keep their pictures until new ones come.
function fit(n) {
  while (grid.children.length > n) {
    const { src } = grid.lastElementChild.firstElementChild;
    if (src) URL.revokeObjectURL(src);
    grid.lastElementChild.remove();
  }
  while (grid.children.length < n) grid.append(make("figure", {}, make("img", { alt: "" }), make("figcaption")));
}

function put(figure, picture, caption, alt) {
  const [img, text] = figure.children;
  text.textContent = caption;
  img.alt = alt;
  if (img.picture === picture) return;
  const old = img.src;
  img.picture = picture;
  img.addEventListener("load", () => old && URL.revokeObjectURL(old), { once: true });
  img.src = URL.createObjectURL(picture.blob);
}

// The player shows the steps of all rows in turn, for ever.
let timer = 0, frames = [], at = 0, images = [], bar = null;
let paused = matchMedia("(prefers-reduced-motion: reduce)").matches;

function play(all) {
  frames.flat().forEach(URL.revokeObjectURL);
  frames = [];
  for (const p of all) (frames[p.step] ??= [])[p.row] = URL.createObjectURL(p.blob);
  if (!bar) {
    const toggle = make("button", { type: "button", class: "plain", onclick: () => { paused = !paused; run(); } });
    const range = make("input", { type: "range", min: 0, step: 1, "aria-label": "Position in the loop", oninput: () => { paused = true; run(); turn(range.valueAsNumber); } });
    bar = { toggle, range, count: make("output") };
    player.replaceChildren(make("div", { class: "rows" }), make("div", { class: "bar" }, toggle, range, bar.count));
  }
  images = frames[0].map((_, row) => make("img", { alt: `Row ${row + 1} of the loop from ${all[0].class} and back` }));
  player.firstElementChild.replaceChildren(...images);
  bar.range.max = frames.length - 1;
  turn(at % frames.length);
  run();
}

function turn(to) {
  at = to;
  images.forEach((img, row) => { img.src = frames[at][row]; });
  bar.range.value = at;
  bar.range.style.setProperty("--at", `${100 * at / Math.max(1, frames.length - 1)}%`);
  bar.count.textContent = `${at + 1} of ${frames.length}`;
}

function run() {
  clearInterval(timer);
  bar.toggle.textContent = paused ? "Play" : "Pause";
  if (!paused) timer = setInterval(() => turn((at + 1) % frames.length), frameTime);
}

function stop() {
  clearInterval(timer);
  frames.flat().forEach(URL.revokeObjectURL);
  frames = [];
}
