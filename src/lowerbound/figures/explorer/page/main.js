// The page: a column of cards for each run, and what they have in common.

import { button, element, later, number, text, useTexts } from "./dom.js";
import { boundOf, completions, drawsGiven } from "./inference.js";
import { classesCard } from "./classes.js";
import { directionCard, slidersCard } from "./sliders.js";
import { examplesCard } from "./examples.js";
import { frameOf } from "./frame.js";
import { givenCard } from "./given_card.js";
import { hiddenCard } from "./hidden.js";
import { rowCard } from "./row.js";
import { readyOnnx } from "./onnx.js";
import { pathsCard, spherical } from "./paths.js";
import { placeCard } from "./place.js";
import { planeCard } from "./plane.js";
import { bitsOf, readLink, runsOf, writeLink } from "./link.js";
import { runChooser } from "./runs.js";
import { menu, saveMenu, themeButton, tour } from "./around.js";
import { viewOf } from "./view.js";

const json = (id) => JSON.parse(document.getElementById(id).textContent);

async function start() {
  const page = json("page");
  useTexts(page.texts);
  await readyOnnx();
  const views = await Promise.all(
    page.runs.map((_, k) => viewOf(json(`run-${k}`), document.getElementById(`numbers-${k}`).textContent, page.colors)),
  );
  const main = document.querySelector("main"),
    columns = views.map((view) => column(view));
  const framed = window.self !== window.top, // a frame has no address to copy
    chooser = runChooser(views, columns, page.varied);
  const controls = [
    themeButton(views),
    framed ? null : button(text("link.copy"), () => writeLink(views)),
    saveMenu(views),
    button(text("tour.begin"), () => tour(views)),
  ].filter((one) => one !== null);
  const [opener, held] = menu(...controls);
  document.querySelector("header").append(...[opener, chooser.element, held].filter((one) => one !== null));
  main.classList.toggle("two", views.length === 2);
  main.append(...columns);
  for (const { state } of views) state.set({ theme: 0, z: state.values.z, dims: state.values.dims, label: state.values.label });
  const again = () => views.forEach(({ state }) => state.set({ theme: state.values.theme + 1 }));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  addEventListener("resize", again);
  together(views);
  readLink(views, chooser.show);
  for (const view of views) if (view.state.values.example === null) later(() => view.begin());
  document.body.dataset.ready = "";
  requestAnimationFrame(() => (window.explorer.first = performance.now())); // after what was set is drawn
  window.explorer = { views, boundOf, completions, drawsGiven, frameOf, bitsOf, runsOf, spherical }; // for whoever looks behind the page
}

function column(view) {
  const { run } = view.words;
  const about = element("p", { class: "run" }, element("strong", {}, run.name), " ", run.about);
  const changed = run.changed && element("p", { class: "changed", role: "note" }, changedWords(run.changed));
  const side = (...makers) => element("div", { class: "side" }, ...makers.map((make) => make(view)));
  const made = element(
    "div",
    { class: "column" },
    about,
    changed,
    side(planeCard, slidersCard, directionCard, classesCard, pathsCard),
    side(placeCard, givenCard, rowCard, examplesCard, hiddenCard),
  );
  view.column = made;
  return made;
}

/** What is said of data that are others than those of the training: how many examples there were, and are. */
function changedWords([before, now]) {
  return text(before === now ? "run.changed" : "run.changed.number", { before: number(before, 0), now: number(now, 0) });
}

/** An example that is chosen in one run is chosen in the others, where their data are of the same shape. */
function together(views) {
  let busy = false;
  for (const view of views) {
    view.state.on(({ example }, changed) => {
      if (busy || !changed.has("example") || example === null) return;
      busy = true;
      for (const other of views) {
        if (other === view || other.state.values.example?.values === example.values || kindOf(other) !== kindOf(view)) continue;
        other.choose(example.values, example.name, example.row, String(other.classes) === String(view.classes) ? example.label : null);
      }
      requestAnimationFrame(() => (busy = false));
    });
  }
}

/** What data must have in common for an example of one run to be one of another: shape and range, or the columns. */
function kindOf({ model, range }) {
  const columns = model.words.likelihood.columns?.map(({ name, kind, levels, loc, scale }) => [name, kind, levels, loc, scale]);
  return JSON.stringify([model.event, columns ?? range]);
}

start().catch((error) => {
  document.querySelector("main").append(element("p", { role: "alert" }, String(error)));
  throw error;
});
