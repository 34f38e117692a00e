// A row of a table: cells that are given, and what the model says of the others, "what if".

import { button, card, element, later, number, select, text } from "./dom.js";
import { cellText, rangeOf } from "./cells.js";
import { columnLaws } from "./columns.js";
import { drawsGiven, effective, resampled } from "./inference.js";

const DRAWS = 400,
  MIDDLE = 0.9,
  BINS = 24,
  MOST_DECIMALS = 4;

/** Whether a run is of a table with named columns. */
export const isTable = (view) =>
  view.model.words.likelihood.kind === "columns" && view.model.words.likelihood.columns.length === view.model.size;

/** Rows beside one another, a column of cells each under its heading; `show` fills one in, or with null leaves it out. */
export function rowsBeside(view, headings) {
  const { columns } = view.model.words.likelihood,
    cells = headings.map(() => columns.map(() => element("td")));
  const heads = headings.map((heading) => element("th", { scope: "col" }, heading));
  const made = element(
    "table",
    { class: "cells" },
    element("thead", {}, element("tr", {}, element("td"), ...heads)),
    element(
      "tbody",
      {},
      ...columns.map((column, i) => element("tr", {}, element("th", { scope: "row" }, column.name), ...cells.map((each) => each[i]))),
    ),
  );
  return {
    element: element("div", { class: "scroll" }, made),
    show(place, values) {
      for (const one of [heads[place], ...cells[place]]) one.hidden = values === null;
      if (values !== null)
        cells[place].forEach((cell, i) => {
          cell.textContent = short(columns[i], values[i]) || "–";
        });
    },
  };
}

/** A cell's text; of numbers of many decimals four digits. */
function short(column, value) {
  if (column.levels.length && value < 0) return text("row.unseen");
  return column.kind === "number" && (column.decimals ?? 99) > MOST_DECIMALS && !Number.isNaN(value)
    ? String(Number(Number(cellText(column, value)).toPrecision(4)))
    : cellText(column, value);
}

/**
 * What the others may be where some cells of a row are given (NaN elsewhere): of each column the mean and an interval, or the probability of
 * each class, by draws of p(x_rest|x_given), and how many draws these are worth.
 */
function whatIf(model, row, label, seed = 1) {
  const words = model.words.likelihood,
    found = drawsGiven(model, row, label, seed),
    { rows, weights, uniform, normal } = found;
  const chosen = resampled(weights, DRAWS, uniform),
    laws = new Map();
  const lawsOf = (k) => laws.get(k) ?? laws.set(k, columnLaws(words, rows[k].output, rows[k].row)).get(k);
  return {
    effective: effective(weights),
    z: Float64Array.from(found.latents[0], (_, i) => found.latents.reduce((sum, z, k) => sum + weights[k] * z[i], 0)),
    columns: words.columns.map((column, i) => {
      const each = chosen.map((k) => lawsOf(k)[i]);
      if (each[0].probabilities)
        return { probabilities: each[0].probabilities.map((_, c) => each.reduce((sum, law) => sum + law.probabilities[c], 0) / DRAWS) };
      const draws = Float64Array.from(each, (law) => law.draw({ uniform, normal })).sort(),
        at = (share) => draws[Math.round(share * (DRAWS - 1))];
      return { mean: each.reduce((sum, law) => sum + law.mean, 0) / DRAWS, low: at((1 - MIDDLE) / 2), high: at((1 + MIDDLE) / 2), draws };
    }),
  };
}

export function rowCard(view) {
  if (!isTable(view)) return null;
  const { model, state } = view,
    { columns } = model.words.likelihood,
    row = new Float64Array(columns.length).fill(NaN);
  const said = element("p", { role: "status" }),
    lines = columns.map((column, i) =>
      line(column, (value) => {
        row[i] = value;
        ask(true);
      }),
    );
  const ask = (moves) => {
    const { label } = state.values,
      found = whatIf(model, row, label);
    view.asked = { row: Float64Array.from(row), ...found };
    lines.forEach((one, i) => one.show(row[i], found.columns[i]));
    said.textContent = text("row.effective", { n: number(found.effective, 0) });
    if (moves) state.set({ z: found.z });
  };
  const set = (values) => {
    row.set(values);
    ask(false);
  };
  state.on(({ example }, changed) => {
    if (changed.has("example") && example !== null) set(example.values);
    else if (changed.has("label")) ask(false);
  });
  later(() => ask(false));
  return card(
    "row",
    element(
      "div",
      { class: "row" },
      button(text("row.none"), () => set(columns.map(() => NaN))),
    ),
    element("div", { class: "lines" }, ...lines.map((one) => one.element)),
    said,
  );
}

/** A column: whether it is given, its value, and otherwise what it may be. */
function line(column, change) {
  const classes = column.levels,
    range = rangeOf(column),
    isClass = ["boolean", "category"].includes(column.kind);
  const given = element("input", { type: "checkbox", "aria-label": text("row.given", { name: column.name }) }),
    shown = element("output");
  const control = isClass
    ? select(text("row.value", { name: column.name }), classes, 0, () => moved()).control
    : element("input", {
        type: "range",
        min: range.least,
        max: range.greatest,
        step: range.step,
        "aria-label": text("row.value", { name: column.name }),
        oninput: () => moved(),
      });
  if (isClass) control.setAttribute("aria-label", text("row.value", { name: column.name }));
  const chart = element("canvas", { width: 150, height: 26, role: "img", "aria-label": text("row.chart", { name: column.name }) });
  const value = () => (isClass ? (control.selectedIndex < 0 ? NaN : control.selectedIndex) : Number(control.value));
  const moved = () => {
    given.checked = true;
    change(value());
  };
  given.addEventListener("change", () => change(given.checked ? value() : NaN));
  return {
    element: element(
      "div",
      { class: "line", "data-column": column.name },
      given,
      element("span", { class: "name" }, column.name),
      control,
      chart,
      shown,
    ),
    show(cell, found) {
      given.checked = !Number.isNaN(cell);
      const best = found.probabilities ? found.probabilities.indexOf(Math.max(...found.probabilities)) : found.mean,
        now = given.checked ? cell : best;
      if (isClass) control.selectedIndex = now;
      else control.value = now;
      shown.textContent = given.checked
        ? short(column, cell)
        : found.probabilities
          ? text("row.class", { name: cellText(column, best), share: number(100 * found.probabilities[best], 0) })
          : text("row.number", { mean: short(column, found.mean), low: short(column, found.low), high: short(column, found.high) });
      if (!isClass) control.setAttribute("aria-valuetext", shown.textContent);
      bars(chart, given.checked ? null : found, range);
    },
  };
}

/** The probabilities of classes, or a histogram of draws. */
function bars(canvas, found, range) {
  const context = canvas.getContext("2d"),
    { width, height } = canvas;
  context.clearRect(0, 0, width, height);
  if (found === null) return;
  let heights = found.probabilities;
  if (!heights) {
    heights = new Array(BINS).fill(0);
    for (const value of found.draws)
      heights[Math.min(BINS - 1, Math.max(0, Math.floor((BINS * (value - range.least)) / (range.greatest - range.least || 1))))]++;
  }
  const top = Math.max(...heights),
    wide = width / heights.length;
  context.fillStyle = "#3f90da";
  heights.forEach((tall, i) => context.fillRect(i * wide, height - (tall / top) * height, Math.max(1, wide - 1), (tall / top) * height));
}
