// Around the cards: the menu, light and dark, figures to keep, and the tour.

import { button, element, number, text } from "./dom.js";

/** Controls that a narrow window folds away behind a button. */
export function menu(...controls) {
  const held = element("div", { class: "controls", id: "controls" }, ...controls),
    open = (yes) => {
      opener.setAttribute("aria-expanded", yes);
      held.classList.toggle("open", yes);
    };
  const opener = button(text("around.menu"), () => open(opener.getAttribute("aria-expanded") === "false"), {
    class: "menu",
    "aria-expanded": "false",
    "aria-controls": "controls",
  });
  held.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || opener.getAttribute("aria-expanded") === "false") return;
    open(false);
    opener.focus();
  });
  return [opener, held];
}

export function themeButton(views) {
  return button(text("around.theme"), () => {
    const dark = document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    document.documentElement.dataset.theme = dark === "dark" ? "light" : "dark";
    for (const view of views) view.state.set({ theme: view.state.values.theme + 1 });
  });
}

// --- figures -----------------------------------------------------------------------------------------

/** Saves the plane and the image of the first run that is shown, as PNG or SVG. */
export function saveMenu(views) {
  const shown = () => views.find((view) => !view.column.hidden);
  return element(
    "span",
    { class: "save" },
    button(text("save.png"), () => download("explorer.png", sheetOf(shown()).toDataURL("image/png"))),
    button(text("save.svg"), () => download("explorer.svg", `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svgOf(shown()))}`)),
  );
}

function download(name, href) {
  element("a", { href, download: name }).click();
}

const pictures = (view) => [view.column.querySelector("canvas.plane"), view.column.querySelector(".place canvas.big")];

function sheetOf(view) {
  const [plane, big] = pictures(view),
    sheet = element("canvas"),
    side = plane.width; // of a table there is no image
  Object.assign(sheet, { width: big ? 2 * side + 20 : side, height: side });
  const context = sheet.getContext("2d");
  context.fillStyle = getComputedStyle(document.body).backgroundColor;
  context.fillRect(0, 0, sheet.width, sheet.height);
  context.drawImage(plane, 0, 0);
  context.imageSmoothingEnabled = false;
  if (big) context.drawImage(big, side + 20, 0, side, Math.round((side * big.height) / big.width));
  return sheet;
}

/** The same with points that stay sharp: circles of the plane, in a frame of their own that cuts them off, the image as embedded pixels. */
function svgOf(view) {
  const [plane, big] = pictures(view),
    side = plane.width,
    escape = (words) => words.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
  const points = view.codes.map((code, row) => {
    const [x, y] = view.pixelOf(code);
    return `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="1.2" fill="${view.colorOfRow(row)}" fill-opacity=".55"/>`;
  });
  const [x, y] = view.pixelOf(view.state.values.z),
    { z } = view.state.values;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${big ? 2 * side + 20 : side}" height="${side}"><title>${escape(view.words.run.name)}: z = ${Array.from(z, (v) => number(v, 2)).join(", ")}</title>` +
    `<svg width="${side}" height="${side}">${points.join("")}<circle cx="${x}" cy="${y}" r="7" fill="none" stroke="#d00" stroke-width="2"/></svg>` +
    `${big ? `<image x="${side + 20}" y="0" width="${side}" height="${Math.round((side * big.height) / big.width)}" style="image-rendering:pixelated" href="${big.toDataURL()}"/>` : ""}</svg>`
  );
}

// --- the tour ----------------------------------------------------------------------------------------

const STOPS = ["plane", "place", "given", "sliders", "row", "examples", "hidden", "paths"];

/** Six captions, one after the other, each beside what it speaks of. */
export function tour(views) {
  const { column } = views.find((view) => !view.column.hidden),
    stops = STOPS.filter((key) => column.querySelector(`.card.${key}`));
  document.querySelector("dialog.tour")?.remove();
  const words = element("p", { "aria-live": "polite" }),
    count = element("small"),
    dialog = element("dialog", { class: "tour", "aria-label": text("tour.begin") });
  let stop = 0;
  const show = () => {
    column.querySelectorAll(".card.toured").forEach((one) => one.classList.remove("toured"));
    if (stop === stops.length) {
      dialog.close();
      return dialog.remove();
    }
    const one = column.querySelector(`.card.${stops[stop]}`);
    one.classList.add("toured");
    one.scrollIntoView({ block: "start", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    words.textContent = text(`tour.${stops[stop]}`);
    count.textContent = `${stop + 1} / ${stops.length}`;
  };
  const go = (step) => () => {
    stop = Math.min(stops.length, Math.max(0, stop + step));
    show();
  };
  dialog.append(
    words,
    element(
      "div",
      { class: "row" },
      count,
      button(text("tour.back"), go(-1)),
      button(text("tour.next"), go(1)),
      button(text("tour.end"), () => {
        stop = stops.length;
        show();
      }),
    ),
  );
  const before = document.activeElement,
    keys = { Escape: () => go(stops.length)(), ArrowRight: go(1), ArrowLeft: go(-1) };
  dialog.addEventListener("keydown", (event) => keys[event.key]?.());
  dialog.addEventListener("close", () => before.focus());
  document.body.append(dialog);
  dialog.show();
  show();
}
