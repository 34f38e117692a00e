// Values of an example as a picture on a canvas: images as they are, volumes by their middle slice, series as curves, vectors as bars.

import { sizeOf } from "./arrays.js";

/** The width and height of the picture, in its own pixels. */
export function pictureSize(event) {
  if (event.length >= 3) return [event[event.length - 1] * (sideBySide(event) ? event[0] : 1), event[event.length - 2]];
  return [Math.min(320, Math.max(96, event[event.length - 1] * 2)), 96];
}

const sideBySide = (event) => ![1, 3].includes(event[0]);

/** Draw values (D,) of an event shape; `range` are the values that are black and white, and missing ones are shown apart. */
export function picture(canvas, values, event, range, colors) {
  const [width, height] = pictureSize(event),
    context = canvas.getContext("2d");
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  if (event.length >= 3) context.putImageData(image(values, event, range, width, height), 0, 0);
  else curves(context, values, event, range, width, height, colors);
}

const MISSING = [196, 176, 214];

function image(values, event, range, width, height) {
  const made = new ImageData(width, height),
    channels = event[0],
    side = event[event.length - 1],
    plane = height * side;
  const volume = sizeOf(event.slice(1)),
    from = event.length === 4 ? Math.floor(event[1] / 2) * plane : 0,
    beside = sideBySide(event);
  const span = range[1] - range[0] || 1;
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += 4) {
      for (let color = 0; color < 3; color++) {
        const channel = beside ? Math.floor(x / side) : channels === 3 ? color : 0;
        const value = values[channel * volume + from + y * side + (x % side)];
        made.data[at + color] = Number.isNaN(value) ? MISSING[color] : (255 * (value - range[0])) / span;
      }
      made.data[at + 3] = 255;
    }
  }
  return made;
}

function curves(context, values, event, range, width, height, colors) {
  const [channels, steps] = event.length === 2 ? event : [1, event[0]],
    span = range[1] - range[0] || 1;
  context.canvas.style.imageRendering = "auto"; // lines have no pixels to be seen
  context.clearRect(0, 0, width, height);
  for (let channel = 0; channel < Math.min(channels, colors.length); channel++) {
    context.strokeStyle = colors[channel];
    context.lineWidth = 1.5;
    context.beginPath();
    for (let step = 0, drawing = false; step < steps; step++) {
      const value = values[channel * steps + step],
        x = ((step + 0.5) / steps) * width;
      const y = height - 2 - ((value - range[0]) / span) * (height - 4);
      if (Number.isNaN(value)) drawing = false;
      else if (drawing) context.lineTo(x, y);
      else {
        context.moveTo(x, y);
        drawing = true;
      }
    }
    context.stroke();
  }
}
