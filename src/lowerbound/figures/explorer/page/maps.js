// Monotone maps from a column's values v, in the model's unit, to u, which is about standard normal. The other half of data/maps.py.

import { sigmoid, softplus } from "./functions.js";

const NEAREST = 1e-6; // of the way between two ends: where values at an end are taken to be
const clamped = (value, low, high) => Math.min(Math.max(value, low), high);

/** u and log du/dv of a value. */
export function bent(map, v) {
  const [w, slope] = MAP_KINDS[map.law].bend(v, endsOf(map));
  return { u: (w - map.loc) / map.scale, slope: slope - Math.log(map.scale) };
}

/** The value of u, which is kept in the map's range. */
export function unbent(map, u) {
  return MAP_KINDS[map.law].back(map.loc + map.scale * clamped(u, map.bottom ?? -Infinity, map.top ?? Infinity), endsOf(map));
}

const endsOf = (map) => ({ low: map.low ?? -Infinity, high: map.high ?? Infinity, width: map.width });

/** Of each kind `bend`, v → w and log dw/dv, and `back`, w → v. */
const MAP_KINDS = {
  linear: { bend: (v) => [v, 0], back: (w) => w },
  soft: { bend: softBend, back: softBack },
  log: {
    bend(v, { low, width }) {
      const w = Math.log(Math.max(v - low, width));
      return [w, -w];
    },
    back: (w, { low }) => low + Math.exp(w),
  },
  "log-below": {
    bend(v, { high, width }) {
      const w = -Math.log(Math.max(high - v, width));
      return [w, w];
    },
    back: (w, { high }) => high - Math.exp(-w),
  },
  logit: {
    bend(v, { low, high }) {
      const wide = high - low,
        above = Math.log(Math.max(v - low, NEAREST * wide)),
        below = Math.log(Math.max(high - v, NEAREST * wide));
      return [above - below, Math.log(wide) - above - below];
    },
    back: (w, { low, high }) => Math.min(low + (high - low) * sigmoid(w), high),
  },
  asinh: {
    bend: (v, { width }) => [Math.asinh(v / width), -Math.log(v * v + width * width) / 2],
    back: (w, { width }) => width * Math.sinh(w),
  },
};

/** w = v + s log(1 − e⁻ᵃ) − s log(1 − e⁻ᵇ), v being a and b widths s from the ends: v itself but near them. */
function softBend(v, { low, high, width }) {
  const above = clamped((v - low) / width, 1e-30, 80),
    below = clamped((high - v) / width, 1e-30, 80);
  const atLow = -Math.expm1(-above),
    atHigh = Math.expm1(below);
  return [v + width * (Math.log(atLow) + Math.log1p(1 / atHigh)), Math.log(1 / atLow + 1 / atHigh)];
}

function softBack(w, { low, high, width }) {
  return clamped(w + width * (softplus((low - w) / width) - softplus((w - high) / width)), low, high);
}
