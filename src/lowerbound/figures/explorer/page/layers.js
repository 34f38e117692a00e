// Layers of a network, as torch has them in evaluation: (N, …in) → (N, …out). The other half of networks.py: a kind there is a kind here.

import { sizeOf, tensor } from "./arrays.js";
import { erf, sigmoid } from "./functions.js";

/** The output of a network for x (N, …in) and, of a network that is given one, a context (N or 1, c); `arrays` are its weights. */
export function forward(layer, x, arrays, context = null) {
  const kind = LAYERS[layer.kind];
  if (kind === undefined) throw new Error(`no layer of kind ${layer.kind}`);
  return kind(layer, x, arrays, context);
}

const LAYERS = {
  same: (layer, x) => x,
  sequence: (layer, x, arrays, context) => layer.parts.reduce((seen, part) => forward(part, seen, arrays, context), x),
  flatten: (layer, x) => tensor([x.shape[0], sizeOf(x.shape.slice(1))], x.data),
  unflatten: (layer, x) => tensor([...x.shape.slice(0, layer.axis), ...layer.sizes, ...x.shape.slice(layer.axis + 1)], x.data),
  each: (layer, x) => tensor(x.shape, x.data.map(FUNCTIONS[layer.function](layer))),
  linear: linear,
  convolution: convolution,
  upsample: upsample,
  channels: channels,
  "layer norm": layerNorm,
  glu: glu,
  joined: (layer, x, arrays, context) => forward(layer.network, joined(x, context), arrays),
  planes: (layer, x, arrays, context) => forward(layer.network, planes(x, context), arrays),
  masked: (layer, x, arrays, context) => forward(layer.network, masked(x), arrays, context),
  "log counts": (layer, x, arrays, context) =>
    forward(
      layer.network,
      tensor(
        x.shape,
        x.data.map((value) => Math.log1p(layer.steps * value)),
      ),
      arrays,
      context,
    ),
};

/** A new kind of layer, of a file that knows what this one does not. */
export function register(kind, layer) {
  LAYERS[kind] = layer;
}

// --- functions of each number ------------------------------------------------------------------------

const FUNCTIONS = {
  ReLU: () => (v) => (v > 0 ? v : 0),
  Tanh: () => Math.tanh,
  Sigmoid: () => sigmoid,
  SiLU: () => (v) => v * sigmoid(v),
  Hardtanh: (layer) => (v) => Math.min(Math.max(v, layer.low), layer.high),
  LeakyReLU: (layer) => (v) => (v < 0 ? v * layer.slope : v),
  ELU: (layer) => (v) => (v < 0 ? layer.alpha * Math.expm1(v) : v),
  Softplus: (layer) => (v) => (layer.beta * v > 20 ? v : Math.log1p(Math.exp(layer.beta * v)) / layer.beta),
  GELU: (layer) =>
    layer.tanh
      ? (v) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)))
      : (v) => 0.5 * v * (1 + erf(v / Math.SQRT2)),
};

/** The first half of the numbers along an axis, each times the sigmoid of its partner in the second. */
function glu(layer, x) {
  const axis = layer.axis < 0 ? layer.axis + x.shape.length : layer.axis,
    half = sizeOf(x.shape.slice(axis)) / 2,
    made = tensor(x.shape.map((size, k) => (k === axis ? size / 2 : size)));
  for (let i = 0; i < made.data.length; i++) {
    const at = i + half * Math.floor(i / half);
    made.data[i] = x.data[at] * sigmoid(x.data[at + half]);
  }
  return made;
}

// --- sums of products --------------------------------------------------------------------------------

function linear(layer, x, arrays) {
  const weight = arrays[layer.weight],
    bias = arrays[layer.bias].data,
    [outputs, inputs] = weight.shape;
  const lead = x.shape.slice(0, -1),
    made = tensor([...lead, outputs]);
  for (let row = 0; row < sizeOf(lead); row++) {
    multiplied(weight.data, bias, x.data, row * inputs, inputs, made.data, row * outputs, outputs);
  }
  return made;
}

/** W x + b of one row, four outputs at a time. Sums are in double precision. */
function multiplied(weight, bias, x, from, inputs, made, to, outputs) {
  let output = 0;
  for (; output + 4 <= outputs; output += 4) {
    let a = 0,
      b = 0,
      c = 0,
      d = 0;
    for (let i = 0, w = output * inputs; i < inputs; i++, w++) {
      const value = x[from + i];
      a += weight[w] * value;
      b += weight[w + inputs] * value;
      c += weight[w + 2 * inputs] * value;
      d += weight[w + 3 * inputs] * value;
    }
    made[to + output] = a + bias[output];
    made[to + output + 1] = b + bias[output + 1];
    made[to + output + 2] = c + bias[output + 2];
    made[to + output + 3] = d + bias[output + 3];
  }
  for (; output < outputs; output++) {
    let sum = bias[output];
    for (let i = 0, w = output * inputs; i < inputs; i++, w++) sum += weight[w] * x[from + i];
    made[to + output] = sum;
  }
}

function convolution(layer, x, arrays) {
  const weight = arrays[layer.weight],
    bias = arrays[layer.bias].data,
    [n, channels, ...space] = x.shape;
  const outputs = weight.shape[0],
    { places, after, kernel } = gathered(layer, space);
  const size = sizeOf(space),
    points = sizeOf(after),
    made = tensor([n, outputs, ...after]),
    seen = new Float32Array(channels * kernel * points);
  for (let row = 0; row < n; row++) {
    for (let channel = 0, at = 0; channel < channels; channel++) {
      const from = (row * channels + channel) * size;
      for (let i = 0; i < places.length; i++, at++) seen[at] = places[i] < 0 ? 0 : x.data[from + places[i]];
    }
    summed(weight.data, bias, seen, made.data, row * outputs * points, outputs, channels * kernel, points);
  }
  return made;
}

/** W S + b: (outputs, inner) by (inner, points), row by row so that both are read in order. */
function summed(weight, bias, seen, made, to, outputs, inner, points) {
  const sums = new Float64Array(points);
  for (let output = 0; output < outputs; output++) {
    sums.fill(bias[output]);
    for (let k = 0; k < inner; k++) {
      const w = weight[output * inner + k],
        from = k * points;
      for (let p = 0; p < points; p++) sums[p] += w * seen[from + p];
    }
    made.set(sums, to + output * points);
  }
}

const known = new WeakMap();

/** Of each place in the kernel and each point of the output which point of the input it sees, −1 for a zero; the same at each call. */
function gathered(layer, space) {
  const before = known.get(layer);
  if (before !== undefined && before.space.join() === space.join()) return before;
  const axes = space.map((side, axis) => {
    const { sides, stride, spread, dilation, kernel } = layer,
      wide = (side - 1) * spread[axis] + 1;
    const reach = dilation[axis] * (kernel[axis] - 1) + 1,
      after = Math.floor((wide + sides[axis][0] + sides[axis][1] - reach) / stride[axis]) + 1;
    const places = Array.from({ length: kernel[axis] }, (_, k) =>
      Array.from({ length: after }, (_, point) => {
        const at = point * stride[axis] + k * dilation[axis] - sides[axis][0];
        return at >= 0 && at < wide && at % spread[axis] === 0 ? at / spread[axis] : -1;
      }),
    );
    return { side, after, places };
  });
  const after = axes.map((axis) => axis.after),
    kernel = sizeOf(layer.kernel);
  const places = axes.reduce((found, axis) => crossed(found, axis), [[0]]).flat();
  const made = { space, after, kernel, places: Int32Array.from(places) };
  known.set(layer, made);
  return made;
}

/** Places of some axes, a list of points for each of the kernel, and those of one more. */
function crossed(found, axis) {
  return found.flatMap((points) =>
    axis.places.map((own) => points.flatMap((before) => own.map((place) => (before < 0 || place < 0 ? -1 : before * axis.side + place)))),
  );
}

/** An image as large as another: each point sees the nearest. */
export const enlarged = (image, space) => (image.shape.slice(2).join() === space.join() ? image : upsample({ size: space }, image));

function upsample(layer, x) {
  const [n, channels, ...space] = x.shape,
    each = (value, axis) => (Array.isArray(value) ? value[axis] : value);
  const after = space.map((side, axis) => Math.floor(layer.size === undefined ? side * each(layer.factor, axis) : each(layer.size, axis)));
  const axes = space.map((side, axis) => ({
    side,
    places: [Array.from({ length: after[axis] }, (_, i) => Math.floor((i * side) / after[axis]))],
  }));
  const places = axes.reduce((found, axis) => crossed(found, axis), [[0]]).flat(),
    size = sizeOf(space);
  const made = tensor([n, channels, ...after]);
  for (let row = 0, at = 0; row < n * channels; row++) {
    for (let i = 0; i < places.length; i++, at++) made.data[at] = x.data[row * size + places[i]];
  }
  return made;
}

function channels(layer, x, arrays) {
  const scale = arrays[layer.scale].data,
    shift = arrays[layer.shift].data,
    size = sizeOf(x.shape.slice(2));
  return tensor(
    x.shape,
    x.data.map((value, i) => {
      const channel = Math.floor(i / size) % scale.length;
      return value * scale[channel] + shift[channel];
    }),
  );
}

function layerNorm(layer, x, arrays) {
  const scale = arrays[layer.scale].data,
    shift = arrays[layer.shift].data,
    width = scale.length,
    made = tensor(x.shape);
  for (let from = 0; from < x.data.length; from += width) {
    const some = x.data.subarray(from, from + width),
      mean = some.reduce((sum, v) => sum + v, 0) / width;
    const spread = Math.sqrt(some.reduce((sum, v) => sum + (v - mean) ** 2, 0) / width + layer.eps);
    for (let i = 0; i < width; i++) made.data[from + i] = ((some[i] - mean) / spread) * scale[i] + shift[i];
  }
  return made;
}

// --- two inputs, and what a network is shown ---------------------------------------------------------

/** Input and context, both flat, one after the other; one context is that of all. */
export function joined(x, context) {
  const n = x.shape[0],
    width = sizeOf(x.shape.slice(1)),
    more = sizeOf(context.shape.slice(1)),
    made = tensor([n, width + more]);
  for (let row = 0; row < n; row++) {
    const own = context.shape[0] === 1 ? 0 : row;
    made.data.set(x.data.subarray(row * width, (row + 1) * width), row * (width + more));
    made.data.set(context.data.subarray(own * more, (own + 1) * more), row * (width + more) + width);
  }
  return made;
}

/** The numbers of a context as further channels, those of an image in their places. */
export function planes(x, context) {
  const [n, channels, ...space] = x.shape,
    size = sizeOf(space),
    more = context.shape[1],
    made = tensor([n, channels + more, ...space]);
  const image = context.shape.length > 2 ? enlarged(context, space).data : null;
  for (let row = 0; row < n; row++) {
    const own = (context.shape[0] === 1 ? 0 : row) * more,
      to = row * (channels + more) * size;
    made.data.set(x.data.subarray(row * channels * size, (row + 1) * channels * size), to);
    if (image !== null) made.data.set(image.subarray(own * size, (own + more) * size), to + channels * size);
    else for (let i = 0; i < more; i++) made.data.fill(context.data[own + i], to + (channels + i) * size, to + (channels + i + 1) * size);
  }
  return made;
}

/** Values, 0 in each hole (NaN), and which are there, as further channels. */
function masked(x) {
  const [n, channels, ...space] = x.shape,
    width = channels * sizeOf(space),
    made = tensor([n, 2 * channels, ...space]);
  for (let row = 0; row < n; row++) {
    for (let i = 0; i < width; i++) {
      const value = x.data[row * width + i],
        there = !Number.isNaN(value);
      made.data[2 * row * width + i] = there ? value : 0;
      made.data[(2 * row + 1) * width + i] = there ? 1 : 0;
    }
  }
  return made;
}
