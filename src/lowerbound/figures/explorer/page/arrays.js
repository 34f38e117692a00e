// Arrays of a page: bytes, deflated and in base64, as typed arrays with a shape. The other half of arrays.py.

const TYPES = { float32: Float32Array, uint8: Uint8Array, int32: Int32Array, int16: Int16Array };

/** Base64 of deflated bytes → the bytes. */
export async function inflated(text) {
  const stream = new Blob([Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : bytesOf(text)])
    .stream()
    .pipeThrough(new DecompressionStream("deflate-raw"));
  return await new Response(stream).arrayBuffer();
}

function bytesOf(text) {
  const binary = atob(text),
    bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

export const sizeOf = (shape) => shape.reduce((product, side) => product * side, 1);

/** All arrays of a table of rows {type, shape, offset[, scale]}: weights of 16 bits become float32. */
export function arraysOf(table, buffer) {
  const made = [];
  for (const row of table) {
    const plain = new TYPES[row.type](buffer, row.offset, sizeOf(row.shape));
    made.push({ shape: row.shape, data: row.scale === undefined ? plain : scaled(plain, made[row.scale].data) });
  }
  return made;
}

function scaled(whole, scales) {
  const made = new Float32Array(whole.length),
    width = whole.length / scales.length;
  for (let row = 0, i = 0; row < scales.length; row++) {
    for (const end = i + width; i < end; i++) made[i] = whole[i] * scales[row];
  }
  return made;
}

/** A tensor: numbers in the order of rows, and their shape, the first axis that of a batch. */
export const tensor = (shape, data = new Float32Array(sizeOf(shape))) => ({ shape, data });
