// The plane of two latent dimensions: where examples are encoded, where one is, and the ellipse of a posterior.

import { button, cardOf, element, number, select, text } from "./dom.js";
import { SIDE, chartOf, colorOf } from "./chart.js";
import { steer } from "./steer.js";
import { nameOfDimension } from "./view.js";

const LEGEND = 24; // classes

export function planeCard(view) {
  const { state } = view,
    canvas = element("canvas", {
      width: SIDE,
      height: SIDE,
      class: "plane",
      tabindex: 0,
      role: "application",
      "aria-label": text("plane.canvas"),
    });
  const chart = chartOf(view, canvas),
    hands = steer(view, canvas, chart),
    zoom = zoomButtons(hands);
  view.usualFrame = chart.usual;
  state.on((_, changed) => {
    if (["dims", "frame", "theme"].some((name) => changed.has(name))) {
      chart.redraw();
      zoom.show(chart.usual().wide / chart.frame().wide);
    }
    if (changed.has("z")) hands.follow();
    if (["z", "dims", "found", "label", "frame", "theme"].some((name) => changed.has(name))) chart.show();
  });
  return cardOf("plane", aboutPlane(view), canvas, zoom.element, element("div", { class: "row" }, ...dimensions(view)), legend(view));
}

/** What is seen of posterior and prior: of a model without a density, or levels that a server is asked about, there are no ellipses. */
function aboutPlane({ test, model, state }) {
  const { given, sizes, remote } = model.words,
    kind = test.logP === null || (sizes && remote) ? ".point" : given ? ".given" : "";
  const dashed = given && model.prior(state.values.label).sd ? ` ${text("plane.prior")}` : "",
    above = sizes && !remote ? ` ${text("plane.levels")}` : "";
  return text(`plane.about${kind}`) + dashed + above;
}

/** Nearer, farther and all of it; and how near it is. */
function zoomButtons(hands) {
  const said = element("output", {}),
    one = (sign, name, action) => button(sign, action, { "aria-label": text(name), title: text(name) });
  return {
    element: element(
      "div",
      { class: "tools zoom", role: "group", "aria-label": text("plane.zoom") },
      one("+", "plane.nearer", hands.nearer),
      one("−", "plane.farther", hands.farther),
      button(text("plane.whole"), hands.whole),
      said,
    ),
    show(times) {
      said.textContent = text("plane.times", { times: number(times, times < 9.95 ? 1 : 0) });
    },
  };
}

/** Which two dimensions, where there are more. */
function dimensions({ model, state }) {
  if (model.latent < 3) return [];
  const names = Array.from({ length: model.latent }, (_, i) => nameOfDimension(model, i));
  return ["plane.across", "plane.up"].map((key, axis) => {
    const chosen = (dim) => state.set({ dims: state.values.dims.map((old, k) => (k === axis ? dim : old)), frame: null });
    return select(text(key), names, state.values.dims[axis], chosen).label;
  });
}

function legend(view) {
  if (view.labels === null || !view.classes.length) return null;
  return element(
    "ul",
    { class: "legend" },
    ...view.classes.slice(0, LEGEND).map((name, label) => {
      const mark = element("span", { class: "mark" });
      mark.style.background = colorOf(view, label);
      return element("li", {}, mark, name);
    }),
  );
}
