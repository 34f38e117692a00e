// Which part of the plane is seen, its frame: a square {x0, y0, wide} of two latent numbers, brought nearer, moved, and written in a link.

const OUTERMOST = 0.001, // of the codes
  ROOM = 1.12;
const NEAREST = 1e4,
  FARTHEST = 1e3; // times the usual frame
const EDGE = 0.1, // of the width: how far inside a place comes that was outside
  RIM = 0.005; // and how near the end one is as good as outside: a large step from there ends on it, to the last digit

/** A square that holds all but the outermost codes, and the origin; `along(dim, end, side)` may move each end farther out. */
export function usualFrame(codes, [i, j], along = (_, end) => end) {
  const ends = (dim) => {
    const sorted = Float64Array.from(codes, (code) => code[dim]).sort(),
      out = Math.floor(OUTERMOST * sorted.length);
    return [Math.min(0, sorted[out]), Math.max(0, sorted[sorted.length - 1 - out])].map((end, side) => along(dim, end, side));
  };
  const [[left, right], [bottom, top]] = [ends(i), ends(j)],
    wide = ROOM * Math.max(right - left, top - bottom, 1e-6);
  return { wide, x0: (left + right - wide) / 2, y0: (bottom + top - wide) / 2 };
}

/** So many times as near, about a place that stays where it is seen; as far as there is anything to see. */
export function nearer(frame, times, [a, b], usual) {
  const wide = Math.min(Math.max(frame.wide / times, usual.wide / NEAREST), usual.wide * FARTHEST),
    share = wide / frame.wide;
  return { wide, x0: a - (a - frame.x0) * share, y0: b - (b - frame.y0) * share };
}

export const shifted = (frame, across, up) => ({ ...frame, x0: frame.x0 + across, y0: frame.y0 + up });

export const isWithin = ({ x0, y0, wide }, [a, b]) => a >= x0 && a <= x0 + wide && b >= y0 && b <= y0 + wide;

/** The frame itself where a place is in it, else moved until it is. */
export function holding(frame, place) {
  const rim = RIM * frame.wide;
  if (isWithin({ x0: frame.x0 + rim, y0: frame.y0 + rim, wide: frame.wide - 2 * rim }, place)) return frame;
  const edge = EDGE * frame.wide,
    moved = (from, at) => Math.min(Math.max(from, at + edge - frame.wide), at - edge);
  return { ...frame, x0: moved(frame.x0, place[0]), y0: moved(frame.y0, place[1]) };
}

/** Numbers of a link as a frame; null for what is none. */
export function frameOf(numbers, usual) {
  if (!Array.isArray(numbers) || numbers.length !== 3 || !numbers.every(Number.isFinite)) return null;
  const [x0, y0, wide] = numbers;
  return wide >= (0.99 * usual.wide) / NEAREST && wide <= 1.01 * FARTHEST * usual.wide ? { x0, y0, wide } : null;
}

/** Round numbers from here on, three to six of them, and how many decimals they have. */
export function marks(from, wide) {
  const power = 10 ** Math.floor(Math.log10(wide / 6)),
    step = power * [1, 2, 5, 10].find((times) => times * power >= wide / 6),
    first = Math.ceil(from / step);
  const all = Array.from({ length: Math.floor((from + wide) / step) - first + 1 }, (_, k) => (first + k) * step);
  return { all, decimals: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}
