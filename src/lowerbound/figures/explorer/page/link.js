// A link to what is seen: z, the plane and its frame, the class, the example and the mask of each run, and which run is shown.

import { say, text } from "./dom.js";
import { frameOf } from "./frame.js";
import { exampleName } from "./view.js";

/** Puts the address of what is seen into the address bar and on the clipboard. */
export async function writeLink(views) {
  location.hash = encodeURIComponent(JSON.stringify(views.map(seenOf)));
  try {
    await navigator.clipboard.writeText(location.href);
    say(text("link.copied"), true);
  } catch {
    say(text("link.address"), true);
  }
}

const short = (value) => Number(value.toPrecision(6));

function seenOf({ state: { values }, column }) {
  const { z, dims, example, frame } = values,
    label = values.label?.of ? null : values.label, // what is given of an example goes with that
    mask = values.label?.row === null ? values.label.hidden : values.mask; // and is a mask where another one was painted
  return {
    z: Array.from(z, short),
    dims,
    label,
    row: example?.row ?? null,
    ...(frame === null ? {} : { frame: [frame.x0, frame.y0, frame.wide].map(short) }),
    ...(mask === null ? {} : { mask: runsOf(mask) }),
    ...(column.hidden ? {} : { shown: 1 }),
  };
}

/** Go where the address says; what is no such place is left alone. `show` shows one of several runs. */
export function readLink(views, show) {
  let seen;
  try {
    seen = JSON.parse(decodeURIComponent(location.hash.slice(1)));
  } catch {
    return;
  }
  views.forEach((view, k) => goTo(view, seen?.[k] ?? {}));
  const shown = views.findIndex((_, k) => seen?.[k]?.shown === 1);
  if (shown >= 0) show(shown);
}

function goTo(view, { z, dims, label, row, frame, mask }) {
  const { model, classes, test, state } = view;
  if (!Array.isArray(z) || z.length !== model.latent || !z.every(Number.isFinite)) return;
  if (Number.isInteger(row) && test.values[row])
    view.choose(test.values[row], exampleName(view, row), row, test.labels && test.labels[row]);
  const within = (value, most) => Number.isInteger(value) && value >= 0 && value < most;
  if (Array.isArray(dims) && dims.length === 2 && dims.every((dim) => within(dim, model.latent))) state.values.dims = dims;
  const cells = model.event[model.event.length - 1] * (model.event.length > 2 ? model.event[1] : 1);
  state.set({
    z: Float64Array.from(z),
    dims: state.values.dims,
    frame: frameOf(frame, view.usualFrame()),
    mask: typeof mask === "string" && !model.words.given ? bitsOf(mask, cells) : null,
  });
  const hidden = typeof mask === "string" && model.words.given?.kind === "observed" ? bitsOf(mask, model.size) : null;
  if (hidden !== null) view.hide(hidden);
  if (state.values.label !== null && within(label, classes.length)) view.give(label);
}

// --- a mask as a word --------------------------------------------------------------------------------

/** How many are seen, then hidden, then seen …, in base 36 with dots between. */
export function runsOf(bits) {
  const runs = [];
  for (let at = 0, bit = 0; at < bits.length; bit = 1 - bit) {
    let end = at;
    while (end < bits.length && bits[end] === bit) end++;
    runs.push((end - at).toString(36));
    at = end;
  }
  return runs.join(".");
}

/** The mask of such a word; null where it is none of so many cells. */
export function bitsOf(word, size) {
  const bits = new Uint8Array(size);
  let at = 0,
    bit = 0;
  for (const run of word.split(".")) {
    const length = /^[0-9a-z]{1,8}$/.test(run) ? parseInt(run, 36) : NaN;
    if (!(at + length <= size)) return null;
    bits.fill(bit, at, at + length);
    at += length;
    bit = 1 - bit;
  }
  return at === size ? bits : null;
}
