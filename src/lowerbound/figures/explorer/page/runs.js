// Which of more than two runs is seen: by a slider where they differ in one number, β say, else by their names.

import { element, number, text } from "./dom.js";

/** A control and `show`, which shows one of the columns; of one run or two, which are seen at once, there is no control. */
export function runChooser(views, columns, varied) {
  if (views.length < 3) return { element: null, show: () => {} };
  const show = (chosen) => columns.forEach((one, k) => (one.hidden = k !== chosen)),
    made = varied === null ? byName(views, show) : byNumber(varied, show);
  made.show(made.first);
  return made;
}

/** Runs in the order of a number that they differ in. */
function byNumber({ name, values }, show) {
  const order = values.map((_, k) => k).sort((a, b) => values[a] - values[b]),
    said = element("output", {}),
    written = (value) => number(value, Math.min(6, (String(value).split(".")[1] ?? "").length));
  const go = (place) => {
    const words = text("runs.value", { name, value: written(values[order[place]]) });
    said.textContent = words;
    input.setAttribute("aria-valuetext", words);
    show(order[place]);
  };
  const marks = element("datalist", { id: "runs" }, ...order.map((k, place) => element("option", { value: place, label: written(values[k]) })));
  const input = element("input", {
    type: "range",
    min: 0,
    max: order.length - 1,
    step: 1,
    list: "runs",
    "aria-label": text("runs.number", { name }),
    oninput: () => go(Number(input.value)),
  });
  return {
    first: order[0],
    element: element("div", { class: "runs number" }, said, element("div", {}, input, marks)),
    show(run) {
      input.value = order.indexOf(run);
      go(order.indexOf(run));
    },
  };
}

function byName(views, show) {
  const names = views.map((view) => view.words.run.name),
    called = names.map((name, k) => (names.indexOf(name) === names.lastIndexOf(name) ? name : text("runs.again", { name, i: k + 1 })));
  const inputs = called.map((_, k) => element("input", { type: "radio", name: "run", value: k, onchange: () => show(k) }));
  return {
    first: 0,
    element: element(
      "fieldset",
      { class: "runs" },
      element("legend", {}, text("runs.names")),
      ...inputs.map((input, k) => element("label", {}, input, element("span", {}, called[k]))),
    ),
    show(run) {
      inputs[run].checked = true;
      show(run);
    },
  };
}
