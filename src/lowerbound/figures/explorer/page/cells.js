// A cell of a table as a person reads and writes it, in plain spelling, and the range of its values, by the words of columns.py.

import { unbent } from "./maps.js";

const FIRST_MOMENT = -62135596800,
  LAST_MOMENT = 253402300799,
  DAY_SECONDS = 86400; // of the years 1 to 9999
const MOST_COUNTED = 2 ** 24;
const USUAL = 3; // σ from the middle, where nothing says how far values go

/** The text of a model's value, none for a missing one. */
export function cellText(column, value) {
  if (Number.isNaN(value)) return "";
  switch (column.kind) {
    case "count":
      return String(Math.max(0, Math.round(value)));
    case "number":
      return numberText(column, spikeAt(column, value) ?? column.loc + column.scale * value);
    case "date":
      return dateText(column.loc + column.scale * value, column.step);
    default:
      return column.levels[Math.min(Math.max(Math.round(value), 0), column.levels.length - 1)];
  }
}

/** The least and the greatest of a model's values that a slider gives, and its step: those of the data, or what is usual for the law. */
export function rangeOf(column) {
  const [least, greatest] = column.extremes ?? usualEnds(column);
  const steps = { date: column.step / column.scale, number: column.decimals === null ? 0 : 10 ** -column.decimals / column.scale };
  return { least, greatest, step: (steps[column.kind] ?? 1) || (greatest - least) / 1000 };
}

function usualEnds(column) {
  const { law, loc, scale } = column;
  if (column.kind === "count") return [0, Math.min(Math.ceil(Math.expm1(law.loc + USUAL * law.scale)), MOST_COUNTED)];
  if (column.levels.length > 0) return [0, column.levels.length - 1];
  const ends = [-USUAL, USUAL].map((u) => (law.map === null ? u : unbent(law.map, u)));
  const within = ends.map((value) => (bounded(column, loc + scale * value) - loc) / scale);
  return [Math.min(within[0], ...law.spikes), Math.max(within[1], ...law.spikes)];
}

// --- numbers -----------------------------------------------------------------------------------------

/** The spike, as it was written, that a model's value is to single precision. */
const spikeAt = (column, value) => column.spikes.find((spike) => Math.fround((spike - column.loc) / column.scale) === Math.fround(value));

const bounded = (column, number) => Math.min(Math.max(number, column.least ?? -Infinity), column.greatest ?? Infinity);

/** With the column's decimals, or nine digits, the nearest such number that is not beyond a bound. */
function numberText(column, number) {
  const text = rounded(bounded(column, number), column.decimals),
    inside = bounded(column, Number(text));
  if (inside === Number(text)) return text;
  if (column.decimals === null) return String(inside);
  return rounded(Number(text) + Math.sign(inside - Number(text)) * 10 ** -column.decimals, column.decimals);
}

function rounded(number, decimals) {
  if (decimals === null) return String(Number(number.toPrecision(9)));
  const text = number.toFixed(decimals);
  return Number(text) === 0 ? text.replace("-", "") : text;
}

// --- dates, in ISO 8601 and UTC ----------------------------------------------------------------------

/** A day, and where the step is finer the time, to minutes, seconds or milliseconds. */
function dateText(seconds, step) {
  const within = (moment) => Math.min(Math.max(moment, FIRST_MOMENT), LAST_MOMENT);
  const written = new Date(1000 * within(Math.round(within(seconds) / step) * step)).toISOString();
  const digits = step >= DAY_SECONDS ? 10 : step >= 60 ? 16 : step >= 1 ? 19 : 23;
  return written.slice(0, digits).replace("T", " ");
}
