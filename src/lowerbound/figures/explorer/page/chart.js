// The picture of the plane: the points once for each frame, and on them what moves, the ellipses of a posterior and of p(z|c), and the cross.

import { number } from "./dom.js";
import { marks, usualFrame } from "./frame.js";
import { priorsAlong } from "./given.js";
import { nameOfDimension } from "./view.js";

export const SIDE = 460; // pixels
const TINY = 2,
  NAMED = 24; // pixels of a point; classes that are named on the plane, at most

export const colorOf = (view, label) => (label < 0 ? "#8884" : view.colors[label % view.colors.length]);

/** The place of a latent on the plane; where both dimensions are the same, on a line. */
export const placeOf = (z, [i, j]) => [z[i], i === j ? 0 : z[j]];

export function chartOf(view, canvas) {
  const { values } = view.state,
    context = canvas.getContext("2d"),
    points = document.createElement("canvas");
  Object.assign(points, { width: SIDE, height: SIDE });
  let usual = null,
    middles = null,
    dims = null;
  const chart = {
    usual() {
      if (dims === values.dims) return usual;
      dims = values.dims;
      usual = usualFrame(view.codes, dims, (dim, end, side) => priorsAlong(view, dim, end, side));
      middles = middlesOf(view, dims);
      return usual;
    },
    frame: () => values.frame ?? chart.usual(),
    /** Pixels → the two latent numbers, and back. */
    latent(x, y) {
      const { x0, y0, wide } = chart.frame();
      return [x0 + (x / SIDE) * wide, y0 + (1 - y / SIDE) * wide];
    },
    pixel(a, b) {
      const { x0, y0, wide } = chart.frame();
      return [((a - x0) / wide) * SIDE, (1 - (b - y0) / wide) * SIDE];
    },
    redraw() {
      chart.usual();
      const drawn = points.getContext("2d"),
        look = lookOf(canvas);
      drawn.clearRect(0, 0, SIDE, SIDE);
      dots(view, drawn, chart, look);
      names(view, drawn, chart, middles, look);
      axes(view, drawn, chart, look);
    },
    show() {
      const { z, found } = values,
        [i, j] = values.dims;
      context.clearRect(0, 0, SIDE, SIDE);
      context.drawImage(points, 0, 0);
      context.strokeStyle = context.fillStyle = getComputedStyle(canvas).color;
      if (found && found.q.sd && i !== j) ellipses(context, chart, found.q, i, j);
      if (view.model.words.given && i !== j) priorEllipses(view, context, chart, i, j);
      cross(context, chart.pixel(...placeOf(z, values.dims)));
    },
  };
  view.pixelOf = (code) => chart.pixel(...placeOf(code, values.dims));
  view.colorOfRow = (row) => (view.labels === null ? view.colors[0] : colorOf(view, view.labels[row]));
  chart.redraw();
  return chart;
}

/** The colours of the page now, and how much larger letters are to be where the picture is shown smaller than it is, on a telephone. */
function lookOf(canvas) {
  const { color, backgroundColor, colorScheme } = getComputedStyle(canvas);
  return {
    ink: color,
    paper: backgroundColor,
    strength: colorScheme === "dark" ? 0.8 : 0.55,
    scale: Math.min(2, Math.max(1, SIDE / (canvas.clientWidth || SIDE))),
  };
}

/** Points that grow as one comes nearer, and there are fewer of them. */
function dots(view, drawn, chart, { strength }) {
  const { dims } = view.state.values,
    size = TINY * Math.min(3, Math.max(1, (chart.usual().wide / chart.frame().wide) ** 0.4));
  drawn.globalAlpha = strength;
  view.codes.forEach((code, row) => {
    const [x, y] = chart.pixel(...placeOf(code, dims));
    if (x < -size || y < -size || x > SIDE + size || y > SIDE + size) return;
    drawn.fillStyle = view.colorOfRow(row);
    drawn.fillRect(x - size / 2, y - size / 2, size, size);
  });
  drawn.globalAlpha = 1;
}

/** The middle of each class's codes, where there are some: [label, a, b]. */
function middlesOf(view, [i, j]) {
  if (view.labels === null || view.classes.length > NAMED || i === j) return [];
  return view.classes.flatMap((_, label) => {
    const own = view.codes.filter((_, row) => view.labels[row] === label),
      middle = (dim) => Float64Array.from(own, (code) => code[dim]).sort()[own.length >> 1];
    return own.length ? [[label, middle(i), middle(j)]] : [];
  });
}

/** The name of each class in the middle of its codes, so that colours are not all there is to tell them apart. */
function names(view, drawn, chart, middles, { ink, paper, scale }) {
  Object.assign(drawn, { font: `bold ${15 * scale}px system-ui, sans-serif`, textAlign: "center", textBaseline: "middle", lineWidth: 4 });
  for (const [label, a, b] of middles) {
    const [x, y] = chart.pixel(a, b),
      name = view.classes[label],
      short = name.length > 12 ? `${name.slice(0, 11)}…` : name;
    drawn.strokeStyle = paper;
    drawn.strokeText(short, x, y);
    drawn.fillStyle = ink;
    drawn.fillText(short, x, y);
  }
}

/** The names of both dimensions, and a few numbers along each. */
function axes(view, drawn, chart, { ink, scale }) {
  const { x0, y0, wide } = chart.frame(),
    [i, j] = view.state.values.dims,
    size = 12 * scale;
  Object.assign(drawn, { font: `${size}px system-ui, sans-serif`, fillStyle: ink, globalAlpha: 0.65, textBaseline: "middle", textAlign: "center" });
  const across = marks(x0, wide);
  for (const at of across.all) {
    const [x] = chart.pixel(at, y0);
    if (x < 2.5 * size || x > SIDE - 5 * size) continue; // where others are written
    drawn.fillRect(x, SIDE - 4, 1, 4);
    drawn.fillText(number(at, across.decimals), x, SIDE - size);
  }
  drawn.textAlign = "left";
  const up = marks(y0, wide);
  for (const at of i === j ? [] : up.all) {
    const [, y] = chart.pixel(x0, at);
    if (y < 2.5 * size || y > SIDE - 2.2 * size) continue;
    drawn.fillRect(0, y, 4, 1);
    drawn.fillText(number(at, up.decimals), 7, y);
  }
  if (i !== j) drawn.fillText(`↑ ${nameOfDimension(view.model, j)}`, 6, size);
  drawn.textAlign = "right";
  drawn.fillText(`${nameOfDimension(view.model, i)} →`, SIDE - 6, SIDE - size);
  drawn.globalAlpha = 1;
}

function cross(context, [x, y]) {
  context.lineWidth = 2;
  context.beginPath();
  context.arc(x, y, 7, 0, 2 * Math.PI);
  context.moveTo(x - 12, y);
  context.lineTo(x + 12, y);
  context.moveTo(x, y - 12);
  context.lineTo(x, y + 12);
  context.stroke();
}

/** Where a posterior is within one and two standard deviations. */
function ellipses(context, chart, q, i, j) {
  const [a, b, c] = q.plane(i, j),
    middle = (a + c) / 2,
    gap = Math.hypot((a - c) / 2, b),
    angle = 0.5 * Math.atan2(2 * b, a - c);
  const [x, y] = chart.pixel(q.mean[i], q.mean[j]),
    unit = SIDE / chart.frame().wide;
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
function priorEllipses(view, context, chart, i, j) {
  const prior = view.model.prior(view.state.values.label);
  if (!prior.sd) return;
  context.setLineDash([6, 5]);
  ellipses(context, chart, prior, i, j);
  context.setLineDash([]);
}
