// Examples to look at: some of the test data, and one's own, drawn here, or dropped or chosen as a file.

import { button, cardOf, element, number, readouts, text } from "./dom.js";
import { isTable } from "./row.js";
import { picture } from "./pictures.js";
import { exampleName, rank } from "./view.js";
import { normals } from "./functions.js";

const UNUSUAL = 0.05,
  STRIP = 40,
  DRAWN = 6,
  LARGEST_FILE = 20e6;

export function examplesCard(view) {
  const { model, state } = view,
    table = isTable(view),
    strip = element("div", { class: "strip", role: "group", "aria-label": text("examples.strip") });
  view.test.values.slice(0, STRIP).forEach((values, row) => {
    const label = view.test.labels ? view.test.labels[row] : null,
      name = exampleName(view, row);
    const small = table ? name : element("canvas", { class: "thumb" });
    if (!table) picture(small, values, model.event, view.range, view.colors);
    strip.append(
      element("button", { type: "button", "aria-label": name, title: name, onclick: () => view.choose(values, name, row, label) }, small),
    );
  });
  const numbers = readouts(["reconstruction", "kl", "bound", "logp", "rank"]),
    plain = element("p", { class: "plain", "aria-live": "polite" });
  const back = element("canvas", { class: "thumb", role: "img", "aria-label": text("examples.back") });
  const draws = Array.from({ length: DRAWN }, (_, k) =>
    element("canvas", { class: "thumb", role: "img", "aria-label": text("examples.draw", { i: k + 1 }) }),
  );
  const spread = element("figcaption", {}, text("examples.draws")),
    percent = (share) => (share < 0.005 ? text("examples.few") : `${number(100 * share, 0)}%`);
  const shown = element(
    "div",
    { class: "posterior", hidden: true },
    element("figure", {}, back, element("figcaption", {}, text("examples.back"))),
    element("figure", {}, element("div", {}, ...draws), spread),
  );
  state.on(({ example, found, label }, changed) => {
    if (!changed.has("found") || found === null) return;
    shown.hidden = table;
    const share = rank(view, found.logP),
      normal = normals(7);
    numbers.show("reconstruction", number(found.reconstruction));
    numbers.show("kl", number(found.kl));
    numbers.show("bound", text("examples.bound", { value: number(found.bound), error: number(found.se) }));
    numbers.show("logp", number(found.logP));
    numbers.show("rank", share === null ? "–" : `${number(100 * share, 0)}%`);
    plain.textContent =
      (found.q.point
        ? text("examples.point")
        : share === null
          ? ""
          : text(share < UNUSUAL ? "examples.unusual" : "examples.usual", { name: example.name, share: percent(share) })) +
      (typeof label !== "number" ? "" : ` ${text("examples.given", { name: view.classes[label] })}`);
    for (const one of [...draws, spread]) one.hidden = found.q.point;
    const latents = [found.q.mean, ...draws.map(() => found.q.sample(normal))],
      output = model.decode(latents, label);
    if (!table) [back, ...draws].forEach((canvas, row) => picture(canvas, model.mean(output, row), model.event, view.range, view.colors));
  });
  return cardOf(
    "examples",
    text(table ? "examples.about.table" : "examples.about"),
    strip,
    view.model.event.length === 3 ? ownImage(view) : null,
    shown,
    numbers.element,
    plain,
  );
}

/** A pad to draw on, and a place to drop an image. */
function ownImage(view) {
  const { event } = view.model,
    [channels, height, width] = event,
    pad = element("canvas", {
      class: "pad",
      role: "img",
      "aria-label": text("own.pad"),
    }),
    side = 224;
  Object.assign(pad, { width: side, height: Math.round((side * height) / width) });
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
    element("figure", {}, pad, element("figcaption", {}, text("own.pad"))),
    element("div", { class: "tools" }, button(text("own.clear"), clear), element("label", { class: "file" }, text("own.file"), file), said),
  );
}

function strokes(pad, context, ended) {
  const at = (event) => {
    const box = pad.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * pad.width, ((event.clientY - box.top) / box.height) * pad.height];
  };
  let last = null;
  const line = (event) => {
    const now = at(event);
    Object.assign(context, { strokeStyle: "#fff", lineCap: "round", lineJoin: "round", lineWidth: pad.width / 13 });
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
