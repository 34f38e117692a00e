// Networks of one's own, as ONNX: computed by onnxruntime-web, whose WebAssembly is in the page. The other half of onnx.py.
//
// Its C functions are called as its own script calls them. That one has a promise for each answer, and a page's layers answer at once.

import { inflated, sizeOf, tensor } from "./arrays.js";
import { register } from "./layers.js";

const FLOAT = 1, // as ONNX numbers types
  ON_CPU = 1,
  ALL_OPTIMIZATIONS = 99,
  ERRORS_ALONE = 3;

let runtime = null;
const sessions = new WeakMap();

/** Makes the runtime of a page that has one, before a layer is computed: its script is a module's, which runs once all of the page is there. */
export async function readyOnnx() {
  const packed = document.getElementById("onnxruntime");
  if (packed === null) return;
  const bytes = await inflated(packed.textContent);
  if (!globalThis.onnxruntime) await new Promise((done) => addEventListener("DOMContentLoaded", done, { once: true }));
  runtime = await globalThis.onnxruntime({ numThreads: 1, wasmBinary: bytes });
  checked(runtime._OrtInit(1, ERRORS_ALONE) === 0);
}

/** A layer of kind "onnx": a whole network, its graph the bytes of an array, of x (N, …in) and where it is given one a context, for each or all. */
function ownNetwork(layer, x, arrays, context) {
  if (runtime === null) throw new Error("the page has no onnxruntime-web");
  if (!sessions.has(layer)) sessions.set(layer, sessionOf(arrays[layer.graph].data, context === null ? ["x"] : ["x", "context"]));
  return computed(sessions.get(layer), context === null ? [x] : [x, asManyAs(context, x.shape[0])]);
}

register("onnx", ownNetwork);

function checked(good) {
  if (good) return;
  const [at, message] = [runtime.stackSave(), runtime.stackAlloc(8)];
  runtime._OrtGetLastError(message, message + 4);
  const pointer = runtime.getValue(message + 4, "*"),
    said = pointer ? runtime.UTF8ToString(pointer) : "it failed";
  runtime.stackRestore(at);
  throw new Error(`onnxruntime-web: ${said}`);
}

function sessionOf(graph, inputs) {
  const options = runtime._OrtCreateSessionOptions(ALL_OPTIMIZATIONS, true, true, 0, false, 0, 0, ERRORS_ALONE, 0, 0),
    bytes = copied(graph);
  checked(options !== 0);
  const handle = runtime._OrtCreateSession(bytes, graph.length, options);
  checked(handle !== 0);
  runtime._free(bytes);
  runtime._OrtReleaseSessionOptions(options);
  return { handle, inputs: inputs.map(named), output: named("y") };
}

/** A text in the runtime's memory, which stays. */
const named = (name) => copied(Uint8Array.of(...new TextEncoder().encode(name), 0));

function copied(bytes) {
  const at = runtime._malloc(bytes.length);
  runtime.HEAPU8.set(bytes, at);
  return at;
}

function computed({ handle, inputs, output }, given) {
  const stack = runtime.stackSave(),
    pointers = (values) => {
      const at = runtime.stackAlloc(4 * values.length);
      values.forEach((value, i) => runtime.setValue(at + 4 * i, value, "*"));
      return at;
    };
  const data = given.map((one) => copied(new Uint8Array(one.data.buffer, one.data.byteOffset, one.data.byteLength))),
    tensors = given.map((one, i) =>
      runtime._OrtCreateTensor(FLOAT, data[i], one.data.byteLength, pointers(one.shape), one.shape.length, ON_CPU),
    );
  try {
    checked(tensors.every((one) => one !== 0));
    const found = pointers([0]);
    checked(runtime._OrtRun(handle, pointers(inputs), pointers(tensors), tensors.length, pointers([output]), 1, found, 0) === 0);
    return taken(runtime.getValue(found, "*"));
  } finally {
    tensors.forEach((one) => runtime._OrtReleaseTensor(one));
    data.forEach((one) => runtime._free(one));
    runtime.stackRestore(stack);
  }
}

/** A tensor of the runtime as one of the page, the former given up. */
function taken(handle) {
  const at = runtime.stackAlloc(16);
  checked(runtime._OrtGetTensorData(handle, at, at + 4, at + 8, at + 12) === 0);
  const [type, data, sides, axes] = [0, 4, 8, 12].map((step) => runtime.getValue(at + step, "*") >>> 0),
    shape = Array.from({ length: axes }, (_, axis) => runtime.getValue(sides + 4 * axis, "i32"));
  if (type !== FLOAT) throw new Error("a network of one's own gives numbers that are not in single precision");
  const made = tensor(shape, new Float32Array(runtime.HEAPU8.slice(data, data + 4 * sizeOf(shape)).buffer));
  runtime._OrtFree(sides);
  runtime._OrtReleaseTensor(handle);
  return made;
}

/** A context for each of n rows, where there is one for all. */
function asManyAs(context, n) {
  if (context.shape[0] === n) return context;
  const made = tensor([n, ...context.shape.slice(1)]);
  for (let row = 0; row < n; row++) made.data.set(context.data, row * context.data.length);
  return made;
}
