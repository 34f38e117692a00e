// The plane of two latent dimensions: where examples are encoded, where one is, and the ellipse of a posterior. Drag, or use the arrow keys.

import { card, cardOf, element, number, readouts, select, text } from "./dom.js";
import { logAggregate, nameOf, nearest } from "./view.js";
import { priorsAlong } from "./given.js";
import { isTable, rowsBeside } from "./row.js";
import { picture } from "./pictures.js";

const SIDE = 460,
  STEP = 0.02,
  OUTERMOST = 0.001; // pixels; of the plane's width; of the codes

export function planeCard(view) {
  const { model, state } = view,
    canvas = element("canvas", {
      width: SIDE,
      height: SIDE,
      class: "plane",
      tabindex: 0,
      role: "application",
      "aria-label": text("plane.canvas"),
    });
  const map = mapOf(view, canvas),
    choices = [];
  if (model.latent > 2) {
    const names = Array.from({ length: model.latent }, (_, i) => text("plane.dimension", { i: i + 1 }));
    for (const axis of [0, 1]) {
      const chosen = select(text(axis ? "plane.up" : "plane.across"), names, state.values.dims[axis], (dim) => {
        const dims = [...state.values.dims];
        dims[axis] = dim;
        state.set({ dims });
      });
      choices.push(chosen.label);
    }
  }
  steer(view, canvas, map);
  state.on((values, changed) => {
    if (changed.has("dims") || changed.has("theme")) map.redraw();
    if (["z", "dims", "found", "label", "theme"].some((name) => changed.has(name))) map.show();
  });
  const kind = view.test.logP === null ? ".point" : model.words.given ? ".given" : "", // no density, no ellipse
    about = text(`plane.about${kind}`);
  return cardOf("plane", about, canvas, element("div", { class: "row" }, ...choices), legend(view));
}

function legend(view) {
  if (view.labels === null || !view.classes.length) return null;
  return element(
    "ul",
    { class: "legend" },
    ...view.classes.slice(0, 24).map((name, label) => {
      const mark = element("span", { class: "mark" });
      mark.style.background = colorOf(view, label);
      return element("li", {}, mark, name);
    }),
  );
}

const colorOf = (view, label) => (label < 0 ? "#8884" : view.colors[label % view.colors.length]);

/** The picture of the plane: points once, and on them what moves. */
function mapOf(view, canvas) {
  const context = canvas.getContext("2d"),
    points = document.createElement("canvas");
  Object.assign(points, { width: SIDE, height: SIDE });
  let box = null;
  const map = {
    /** Pixels → the two latent numbers, and back. */
    latent: (x, y) => [box.x0 + (x / SIDE) * box.wide, box.y0 + (1 - y / SIDE) * box.wide],
    pixel: (a, b) => [((a - box.x0) / box.wide) * SIDE, (1 - (b - box.y0) / box.wide) * SIDE],
    redraw() {
      box = boxOf(view);
      const drawn = points.getContext("2d"),
        [i, j] = view.state.values.dims;
      drawn.clearRect(0, 0, SIDE, SIDE);
      drawn.globalAlpha = 0.55;
      view.codes.forEach((code, row) => {
        const [x, y] = map.pixel(code[i], j === i ? 0 : code[j]);
        drawn.fillStyle = view.colorOfRow(row);
        drawn.fillRect(x - 1, y - 1, 2, 2);
      });
      drawn.globalAlpha = 1;
      names(view, drawn, map);
      axes(drawn, i, j);
    },
    show() {
      const {
        z,
        dims: [i, j],
        found,
      } = view.state.values;
      context.clearRect(0, 0, SIDE, SIDE);
      context.drawImage(points, 0, 0);
      context.strokeStyle = context.fillStyle = getComputedStyle(canvas).color;
      if (found && found.q.sd && i !== j) ellipses(context, map, found.q, i, j);
      if (view.model.words.given && i !== j) priorEllipses(view, context, map, i, j);
      const [x, y] = map.pixel(z[i], j === i ? 0 : z[j]);
      context.lineWidth = 2;
      context.beginPath();
      context.arc(x, y, 7, 0, 2 * Math.PI);
      context.moveTo(x - 12, y);
      context.lineTo(x + 12, y);
      context.moveTo(x, y - 12);
      context.lineTo(x, y + 12);
      context.stroke();
    },
  };
  view.pixelOf = (code) =>
    map.pixel(
      code[view.state.values.dims[0]],
      view.state.values.dims[0] === view.state.values.dims[1] ? 0 : code[view.state.values.dims[1]],
    );
  view.colorOfRow = (row) => (view.labels === null ? view.colors[0] : colorOf(view, view.labels[row]));
  map.redraw();
  return map;
}

/** A square that holds all but the outermost codes, the origin, and where there are many priors p(z|c) these. */
function boxOf(view) {
  const [i, j] = view.state.values.dims;
  const ends = (dim) => {
    const sorted = Float64Array.from(view.codes, (code) => code[dim]).sort(),
      out = Math.floor(OUTERMOST * sorted.length);
    return [Math.min(0, sorted[out]), Math.max(0, sorted[sorted.length - 1 - out])].map((end, side) => priorsAlong(view, dim, end, side));
  };
  const [[left, right], [bottom, top]] = [ends(i), ends(j)],
    wide = 1.12 * Math.max(right - left, top - bottom, 1e-6);
  return { wide, x0: (left + right - wide) / 2, y0: (bottom + top - wide) / 2 };
}

/** The name of each class in the middle of its codes, so that colours are not all there is to tell them apart. */
function names(view, drawn, map) {
  if (view.labels === null || view.classes.length > 24) return;
  const [i, j] = view.state.values.dims;
  drawn.font = "bold 15px system-ui, sans-serif";
  drawn.textAlign = "center";
  drawn.textBaseline = "middle";
  drawn.lineWidth = 4;
  view.classes.forEach((name, label) => {
    const own = view.codes.filter((_, row) => view.labels[row] === label);
    if (!own.length || i === j) return;
    const middle = (dim) => Float64Array.from(own, (code) => code[dim]).sort()[own.length >> 1];
    const [x, y] = map.pixel(middle(i), middle(j)),
      short = name.length > 12 ? `${name.slice(0, 11)}…` : name;
    drawn.strokeStyle = "#fffd";
    drawn.strokeText(short, x, y);
    drawn.fillStyle = "#111";
    drawn.fillText(short, x, y);
  });
}

function axes(drawn, i, j) {
  Object.assign(drawn, { font: "13px system-ui, sans-serif", fillStyle: "#777" });
  drawn.textAlign = "right";
  drawn.fillText(`${text("plane.dimension", { i: i + 1 })} →`, SIDE - 6, SIDE - 10);
  drawn.textAlign = "left";
  if (i !== j) drawn.fillText(`↑ ${text("plane.dimension", { i: j + 1 })}`, 6, 12);
}

/** Where a posterior is within one and two standard deviations. */
function ellipses(context, map, q, i, j) {
  const [a, b, c] = q.plane(i, j),
    middle = (a + c) / 2,
    gap = Math.hypot((a - c) / 2, b),
    angle = 0.5 * Math.atan2(2 * b, a - c);
  const [x, y] = map.pixel(q.mean[i], q.mean[j]),
    unit = map.pixel(1, 0)[0] - map.pixel(0, 0)[0];
  context.lineWidth = 1.5;
  for (const wide of [1, 2]) {
    context.beginPath();
    context.ellipse(
      x,
      y,
      wide * unit * Math.sqrt(middle + gap),
      wide * unit * Math.sqrt(Math.max(0, middle - gap)),
      -angle,
      0,
      2 * Math.PI,
    );
    context.stroke();
  }
}

/** Dashed, of a model whose p(z|c) is another one for each c. */
function priorEllipses(view, context, map, i, j) {
  const prior = view.model.prior(view.state.values.label);
  if (!prior.sd) return;
  context.setLineDash([6, 5]);
  ellipses(context, map, prior, i, j);
  context.setLineDash([]);
}

function steer(view, canvas, map) {
  const { state } = view;
  const to = (a, b) => {
    const z = Float64Array.from(state.values.z),
      [i, j] = state.values.dims;
    z[j] = b;
    z[i] = a;
    state.set({ z });
  };
  const moved = (event) => {
    const box = canvas.getBoundingClientRect();
    to(...map.latent(((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE));
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    moved(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (canvas.hasPointerCapture(event.pointerId)) moved(event);
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const [i, j] = state.values.dims,
      wide = map.latent(SIDE, 0)[0] - map.latent(0, 0)[0],
      size = STEP * wide * (event.shiftKey ? 5 : 1);
    to(state.values.z[i] + step[0] * size, i === j ? state.values.z[i] + step[0] * size : state.values.z[j] + step[1] * size);
  });
}

/** The example at z, beside the chosen one and the nearest of others; and what there is to know of that place. */
export function placeCard(view) {
  const { model, state } = view,
    numbers = readouts(["likelihood", "kl", "bound", "prior", "density"]);
  const shown = isTable(view) ? rowsHere(view) : imagesHere(view);
  state.on(({ z, label, example, found }, changed) => {
    if (!["z", "example", "found", "label", "theme"].some((name) => changed.has(name))) return;
    const output = model.decode([z], label),
      values = model.mean(output);
    view.now = { output, values };
    numbers.show("likelihood", number(example && model.logLikelihood(output, 0, example.values)));
    numbers.show("kl", number(found && found.kl));
    numbers.show("bound", number(found && found.bound));
    numbers.show("prior", number(model.prior(label).logDensity(z), 2));
    numbers.show("density", number(logAggregate(view, z), 2));
    shown.show(values, example && example.values, nearest(view.codes, z, view.shown.length), nearest(view.shown, values));
  });
  return card("place", shown.element, numbers.element);
}

const NEAR = ["place.nearest.code", "place.nearest.value"];

function rowsHere(view) {
  const made = rowsBeside(view, [text("place.here"), text("place.example"), ...NEAR.map((key) => text(key))]);
  return {
    element: made.element,
    show: (values, example, ...near) =>
      [values, example, ...near.map((row) => view.shown[row])].forEach((one, place) => made.show(place, one)),
  };
}

function imagesHere(view) {
  const big = element("canvas", { class: "big", role: "img", "aria-label": text("place.image") }),
    held = small(text("place.example"));
  const near = NEAR.map((key) => small(text(key))),
    drawn = (canvas, values) => picture(canvas, values, view.model.event, view.range, view.colors);
  return {
    element: element("div", { class: "beside" }, big, element("div", { class: "near" }, held.figure, ...near.map((one) => one.figure))),
    show(values, example, ...rows) {
      drawn(big, values);
      held.figure.hidden = example === null;
      if (example !== null) drawn(held.canvas, example);
      near.forEach((one, k) => {
        drawn(one.canvas, view.shown[rows[k]]);
        one.name.textContent = nameOf(view, view.labels && view.labels[rows[k]]);
      });
    },
  };
}

function small(words) {
  const canvas = element("canvas", { class: "thumb", role: "img", "aria-label": words }),
    name = element("span");
  return { canvas, name, figure: element("figure", {}, canvas, element("figcaption", {}, words, " ", name)) };
}
