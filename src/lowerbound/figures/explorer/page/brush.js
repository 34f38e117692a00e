// A brush on the picture of an example: it hides cells and shows them again, by a pointer, by keys, or all that a button names.

import { button, element, labelled, text } from "./dom.js";
import { paintedByKeys } from "./cursor.js";
import { pictureSize } from "./pictures.js";

/**
 * The cells that are hidden or shown: of an image pixels, of a series steps, in all channels at once. The picture goes over `wide` of them,
 * channels beside one another.
 */
export function cellsOf(event) {
  const columns = event[event.length - 1],
    rows = event.length > 2 ? event[event.length - 2] : 1;
  return {
    columns,
    rows,
    wide: event.length > 2 ? pictureSize(event)[0] : columns,
    /** The column and row of a value. */
    placeOf: (i) => [i % columns, Math.floor(i / columns) % rows],
  };
}

/** The size of a brush, and buttons that call `hide` with which cells (column, row) are to be hidden. */
export function maskTools({ columns, rows }, hide) {
  const size = element("input", { type: "range", min: 1, max: 8, value: 3 }),
    one = (key, which) => button(text(key), () => hide(which));
  const controls = [
    labelled(text("hidden.size"), size),
    one("hidden.half", (column) => column >= columns / 2),
    rows > 1 ? one("hidden.lower", (_, row) => row >= rows / 2) : null,
    one("hidden.none", () => false),
  ];
  return { controls, radius: () => Number(size.value) };
}

/**
 * The canvas in an element that holds the cursor of keys too. `hide(isWithin, on)` hides the cells that are within the brush, or shows them,
 * `hidden(x, y)` says whether one is, and `ended()` is called when a pointer is lifted or a key let go.
 */
export function brushOn(canvas, { columns, rows, wide }, { radius }, { hide, hidden, ended }) {
  const paint = (x, y, on) => {
    const most = radius();
    hide((column, row) => Math.hypot(column + 0.5 - x, rows > 1 ? row + 0.5 - y : 0) <= most, on);
  };
  byPointer(canvas, (across, down) => paint((across * wide) % columns, down * rows, true), ended);
  return paintedByKeys(canvas, {
    columns,
    rows,
    wide,
    words: ["hidden.is", "hidden.seen"],
    painted: hidden,
    paint: (x, y, on) => paint(x + 0.5, y + 0.5, on),
    ended,
  });
}

/** Calls `paint` with shares of the width and height under the pointer while it is held, and `ended` when it is lifted. */
function byPointer(canvas, paint, ended) {
  let painting = false;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    paint((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  };
  const end = () => {
    if (painting) ended();
    painting = false;
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    painting = true;
    at(event);
  });
  canvas.addEventListener("pointermove", (event) => painting && at(event));
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
}
