// An image of one's own: drawn on a pad, or dropped or chosen as a file.

import { button, element, text } from "./dom.js";
import { paintedByKeys } from "./cursor.js";

const SIDE = 224, // pixels of the pad
  BRUSH = 1 / 26, // its radius, of that
  LARGEST_FILE = 20e6;

/** A pad to draw on, by a pointer or by keys, and a place to drop an image. */
export function ownImage(view) {
  const [channels, height, width] = view.model.event,
    pad = element("canvas", { class: "pad", "aria-label": text("own.pad") });
  Object.assign(pad, { width: SIDE, height: Math.round((SIDE * height) / width) });
  const context = pad.getContext("2d", { willReadFrequently: true });
  const clear = () => {
    context.fillStyle = "#000";
    context.fillRect(0, 0, pad.width, pad.height);
  };
  clear();
  const look = () => view.choose(valuesOf(pad, channels, height, width, view.range), text("own.name"));
  strokes(pad, context, look);
  const put = async (file) => {
    if (!file || !file.type.startsWith("image/") || file.size > LARGEST_FILE) {
      said.textContent = text("own.refused");
      return;
    }
    try {
      const picture = await createImageBitmap(file),
        scale = Math.min(pad.width / picture.width, pad.height / picture.height);
      clear();
      context.drawImage(
        picture,
        (pad.width - scale * picture.width) / 2,
        (pad.height - scale * picture.height) / 2,
        scale * picture.width,
        scale * picture.height,
      );
      said.textContent = "";
      look();
    } catch {
      said.textContent = text("own.refused");
    }
  };
  const said = element("p", { role: "status" }),
    file = element("input", { type: "file", accept: "image/*", onchange: () => put(file.files[0]) });
  pad.addEventListener("dragover", (event) => event.preventDefault());
  pad.addEventListener("drop", (event) => {
    event.preventDefault();
    put(event.dataTransfer.files[0]);
  });
  return element(
    "div",
    { class: "own" },
    element("figure", {}, byKeys(pad, context, width, height, look), element("figcaption", {}, text("own.pad"))),
    element("div", { class: "tools" }, button(text("own.clear"), clear), element("label", { class: "file" }, text("own.file"), file), said),
  );
}

/** The pad with a cursor of the example's own cells. */
function byKeys(pad, context, columns, rows, ended) {
  const [wide, tall] = [pad.width / columns, pad.height / rows],
    middle = (x, y) => [(x + 0.5) * wide, (y + 0.5) * tall];
  return paintedByKeys(pad, {
    columns,
    rows,
    ended,
    words: ["own.painted", "own.empty"],
    painted: (x, y) => context.getImageData(...middle(x, y).map(Math.floor), 1, 1).data[0] > 127,
    paint(x, y, on) {
      context.fillStyle = on ? "#fff" : "#000";
      if (!on) return context.fillRect(x * wide, y * tall, wide, tall);
      context.beginPath();
      context.arc(...middle(x, y), Math.max(pad.width * BRUSH, Math.max(wide, tall) * Math.SQRT1_2), 0, 2 * Math.PI);
      context.fill();
    },
  });
}

function strokes(pad, context, ended) {
  const at = (event) => {
    const box = pad.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * pad.width, ((event.clientY - box.top) / box.height) * pad.height];
  };
  let last = null;
  const line = (event) => {
    const now = at(event);
    Object.assign(context, { strokeStyle: "#fff", lineCap: "round", lineJoin: "round", lineWidth: 2 * BRUSH * pad.width });
    context.beginPath();
    context.moveTo(...last);
    context.lineTo(...now);
    context.stroke();
    last = now;
  };
  pad.addEventListener("pointerdown", (event) => {
    pad.setPointerCapture(event.pointerId);
    last = at(event);
    line(event);
  });
  pad.addEventListener("pointermove", (event) => last !== null && line(event));
  const end = () => {
    if (last === null) return;
    last = null;
    ended();
  };
  pad.addEventListener("pointerup", end);
  pad.addEventListener("pointercancel", end);
}

/** The pad made as small as an example is: means over its pixels, as values of the data. */
function valuesOf(pad, channels, height, width, range) {
  const { data } = pad.getContext("2d").getImageData(0, 0, pad.width, pad.height),
    size = height * width;
  const sums = new Float64Array(3 * size),
    counts = new Float64Array(size);
  for (let y = 0, at = 0; y < pad.height; y++) {
    for (let x = 0; x < pad.width; x++, at += 4) {
      const pixel = Math.floor((y * height) / pad.height) * width + Math.floor((x * width) / pad.width);
      counts[pixel]++;
      for (let color = 0; color < 3; color++) sums[color * size + pixel] += data[at + color] / 255;
    }
  }
  const grey = (pixel) => 0.299 * sums[pixel] + 0.587 * sums[size + pixel] + 0.114 * sums[2 * size + pixel];
  return Float64Array.from({ length: channels * size }, (_, i) => {
    const pixel = i % size,
      value = (channels === 3 ? sums[i] : grey(pixel)) / (counts[pixel] || 1);
    return range[0] + value * (range[1] - range[0]);
  });
}
