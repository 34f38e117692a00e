// A cursor on a picture, for those who paint by keys: arrows move it from cell to cell, Space paints, Delete takes away; in words too.

import { element, text } from "./dom.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * A canvas that can be painted on by keys, in an element that holds the cursor too. The picture is of `wide` × `rows` cells, and the cursor moves
 * over the first `columns` of them. `paint(x, y, on)` paints a cell or takes it away, `painted(x, y)` says whether it is, and `ended()` is
 * called when a key that changed something is let go. `words` are the keys of the texts of a painted cell and of another.
 */
export function paintedByKeys(canvas, { columns, rows, wide = columns, paint, painted, ended, words }) {
  const mark = element("span", { class: "cursor", hidden: true }),
    said = element("p", { class: "where", role: "status" }),
    keys = element("p", { class: "keys", id: `keys-${paintedByKeys.made++}`, hidden: true }, text("cursor.keys"));
  const at = [Math.floor(columns / 2), Math.floor(rows / 2)];
  let changed = false;
  const show = () => {
    const share = (part, all) => `${(100 * part) / all}%`;
    Object.assign(mark.style, { left: share(at[0], wide), top: share(at[1], rows), width: share(1, wide), height: share(1, rows) });
    mark.hidden = keys.hidden = false; // what is said of keys stays: a button below that moved as it is pressed would not be clicked
    said.textContent = text(rows > 1 ? "cursor.cell" : "cursor.step", {
      x: at[0] + 1,
      columns,
      y: at[1] + 1,
      rows,
      state: text(painted(...at) ? words[0] : words[1]),
    });
  };
  const put = (on) => {
    paint(...at, on);
    changed = true;
  };
  const press = (event) => {
    const step = ARROWS[event.key],
      on = { " ": true, Delete: false, Backspace: false }[event.key];
    if ((step === undefined && on === undefined) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (step === undefined) put(on);
    else {
      [columns, rows].forEach((most, axis) => (at[axis] = Math.min(Math.max(at[axis] + step[axis], 0), most - 1)));
      if (event.shiftKey) put(true);
    }
    show();
  };
  const released = () => {
    if (!changed) return;
    changed = false;
    ended();
  };
  for (const [name, value] of Object.entries({ tabindex: 0, role: "application", "aria-describedby": keys.id }))
    canvas.setAttribute(name, value);
  canvas.addEventListener("keydown", press);
  canvas.addEventListener("keyup", released);
  canvas.addEventListener("focus", () => canvas.matches(":focus-visible") && show()); // a pointer needs no cursor
  canvas.addEventListener("blur", () => {
    mark.hidden = true;
    released();
  });
  return element("div", { class: "painted" }, element("div", { class: "held" }, canvas, mark), keys, said);
}
paintedByKeys.made = 0;
