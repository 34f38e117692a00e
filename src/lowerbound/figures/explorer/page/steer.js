// Hands on the plane: a pointer or arrow keys move the cross; the wheel, two fingers, and + − 0 move the frame.

import { SIDE, placeOf } from "./chart.js";
import { holding, isWithin, nearer, shifted } from "./frame.js";

const STEP = 0.02, // of the frame's width
  FAR = 5; // times that, with Shift
const ZOOM = 1.4; // at a key or button
const LATCHED = 250; // milliseconds after a wheel turned elsewhere, in which it goes on scrolling the page
const LINE = 16; // pixels of a wheel that counts lines
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export function steer(view, canvas, chart) {
  const { state } = view,
    place = () => placeOf(state.values.z, state.values.dims);
  const hands = {
    /** Whether a pointer is down: the frame then stays as it is. */
    held: false,
    to(a, b) {
      const z = Float64Array.from(state.values.z),
        [i, j] = state.values.dims;
      z[j] = b;
      z[i] = a;
      state.set({ z });
    },
    show: (frame) => state.set({ frame }),
    zoom(times, about = isWithin(chart.frame(), place()) ? place() : chart.latent(SIDE / 2, SIDE / 2)) {
      hands.show(nearer(chart.frame(), times, about, chart.usual()));
    },
    nearer: () => hands.zoom(ZOOM),
    farther: () => hands.zoom(1 / ZOOM),
    whole: () => hands.show(null),
    /** Where the cross went beyond the frame, the frame goes with it. */
    follow() {
      const frame = chart.frame(),
        next = hands.held ? frame : holding(frame, place());
      if (next !== frame) hands.show(next);
    },
  };
  byPointer(view, canvas, chart, hands);
  byWheel(canvas, chart, hands);
  byKeys(view, canvas, chart, hands);
  return hands;
}

/** One pointer moves the cross; with Shift, or the middle button, the frame, as two fingers do, which also zoom. */
function byPointer(view, canvas, chart, hands) {
  const down = new Map();
  let ofFrame = false,
    before = null; // z when the first finger came down, which a second one brings back
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 1) return;
    canvas.setPointerCapture(event.pointerId);
    if (down.size === 0) [before, ofFrame] = [view.state.values.z, event.shiftKey || event.button === 1];
    down.set(event.pointerId, at(event));
    hands.held = true;
    if (down.size > 1) {
      ofFrame = true;
      view.state.set({ z: before });
    } else if (!ofFrame) hands.to(...chart.latent(...at(event)));
    if (event.button === 1) event.preventDefault(); // which would begin to scroll
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!down.has(event.pointerId)) return;
    const from = [...down.values()].slice(0, 2);
    down.set(event.pointerId, at(event));
    if (ofFrame) hands.show(moved(chart, from, [...down.values()].slice(0, 2)));
    else hands.to(...chart.latent(...at(event)));
  });
  const up = (event) => {
    down.delete(event.pointerId);
    if (down.size > 0 || !hands.held) return;
    hands.held = false;
    hands.follow();
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
}

/** The frame in which what was under one or two fingers is under them again. */
function moved(chart, from, to) {
  const middle = (ends) => [0, 1].map((axis) => ends.reduce((sum, end) => sum + end[axis], 0) / ends.length),
    gap = ([[x, y], [u, v] = [x, y]]) => Math.hypot(x - u, y - v);
  const about = chart.latent(...middle(from)),
    times = from.length > 1 && gap(from) > 0 && gap(to) > 0 ? gap(to) / gap(from) : 1,
    frame = nearer(chart.frame(), times, about, chart.usual()),
    unit = frame.wide / SIDE;
  const [[x, y], [u, v]] = [middle(from), middle(to)];
  return shifted(frame, (x - u) * unit, (v - y) * unit);
}

/** A wheel that began to turn on the page goes on scrolling it, also over the plane. */
function byWheel(canvas, chart, hands) {
  let scrolled = -Infinity;
  const elsewhere = (event) => (scrolled = event.target === canvas ? scrolled : event.timeStamp);
  document.addEventListener("wheel", elsewhere, { capture: true, passive: true });
  canvas.addEventListener(
    "wheel",
    (event) => {
      const scrolls = !event.cancelable || event.timeStamp - scrolled < LATCHED; // what cannot be cancelled has scrolled already
      if (!event.ctrlKey && scrolls) {
        scrolled = event.timeStamp;
        return;
      }
      event.preventDefault();
      const box = canvas.getBoundingClientRect(),
        turned = event.deltaY * [1, LINE, SIDE][event.deltaMode],
        speed = event.ctrlKey ? 0.01 : 0.002; // two fingers on a trackpad come as a wheel with Ctrl
      const x = ((event.clientX - box.left) / box.width) * SIDE,
        y = ((event.clientY - box.top) / box.height) * SIDE;
      hands.zoom(Math.exp(-speed * Math.min(Math.max(turned, -SIDE), SIDE)), chart.latent(x, y));
    },
    { passive: false },
  );
}

function byKeys(view, canvas, chart, hands) {
  const zooms = { "+": hands.nearer, "=": hands.nearer, "-": hands.farther, _: hands.farther, 0: hands.whole };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return; // the browser's own
    const step = ARROWS[event.key];
    if (step === undefined && zooms[event.key] === undefined) return;
    event.preventDefault();
    if (step === undefined) return zooms[event.key]();
    const { z, dims } = view.state.values,
      [i, j] = dims,
      size = STEP * chart.frame().wide * (event.shiftKey ? FAR : 1);
    hands.to(z[i] + step[0] * size, i === j ? z[i] + step[0] * size : z[j] + step[1] * size);
  });
}
