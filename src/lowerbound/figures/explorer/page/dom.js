// Elements, texts and numbers of the page.

/** Texts by their keys, from the page's table; {name} stands for a value. */
let TEXTS = {};
export function useTexts(table) {
  TEXTS = table;
}

export function text(key, values = {}) {
  if (TEXTS[key] === undefined) throw new Error(`no text ${key}`);
  return TEXTS[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** An element with attributes, listeners (`onclick`, …) and children, which are elements or texts: never markup. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

const READ = 6000; // milliseconds

/** Say something at the page's edge; what `passes` is gone once it could be read. */
export function say(words, passes = false) {
  const said = document.getElementById("said");
  said.textContent = words;
  if (passes) setTimeout(() => said.textContent === words && (said.textContent = ""), READ);
}

/** A part of the page with a heading and a sentence below it. */
export function card(key, ...children) {
  return cardOf(key, text(`${key}.about`), ...children);
}

export function cardOf(key, about, ...children) {
  const id = `title-${key}-${cardOf.made++}`;
  return element(
    "section",
    { class: `card ${key}`, "aria-labelledby": id },
    element("h2", { id }, text(`${key}.title`)),
    element("p", { class: "about" }, about),
    ...children,
  );
}
cardOf.made = 0;

/** A label and the control that it names. */
export const labelled = (name, control, ...more) => element("label", { class: "labelled" }, element("span", {}, name), control, ...more);

export function select(name, options, chosen, change) {
  const made = element("select", { onchange: () => change(made.selectedIndex) }, ...options.map((option) => element("option", {}, option)));
  made.selectedIndex = chosen;
  return { label: labelled(name, made), control: made };
}

export const button = (name, action, attributes = {}) => element("button", { type: "button", onclick: action, ...attributes }, name);

/** Does something after what is wanted at once: when the browser has nothing else to do. */
export const later = (action) => (window.requestIdleCallback ?? setTimeout)(() => action());

/** A number as people read it: so many decimals, a true minus sign; a dash for none. */
export function number(value, decimals = 1) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  return value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals }).replace("-", "−");
}

/** A list of names and numbers that change. */
export function readouts(keys) {
  const values = Object.fromEntries(keys.map((key) => [key, element("dd", { "data-number": key })]));
  const made = element(
    "dl",
    { class: "readouts" },
    ...keys.map((key) => element("div", { title: text(`number.${key}.about`) }, element("dt", {}, text(`number.${key}`)), values[key])),
  );
  const words = element(
    "details",
    { class: "explained" },
    element("summary", {}, text("number.explain")),
    ...keys.map((key) => element("p", {}, element("strong", {}, text(`number.${key}`)), " ", text(`number.${key}.about`))),
  );
  return {
    element: element("div", {}, made, words),
    show: (key, shown) => {
      if (values[key].textContent !== shown) values[key].textContent = shown;
    },
  };
}

/**
 * What several parts show: values by name. All that listen are called at once when something changes, and where more changes before the next
 * picture of the screen, once more for all of it: a move is seen as soon as can be, and never drawn twice in vain.
 */
export function store(values) {
  const listeners = [];
  let changed = new Set(),
    waits = false;
  const tell = () => {
    const names = changed;
    changed = new Set();
    for (const listener of listeners) listener(values, names);
  };
  const wait = () => {
    waits = true;
    requestAnimationFrame(() => {
      waits = false;
      if (changed.size === 0) return;
      wait();
      tell();
    });
  };
  return {
    values,
    set(change) {
      Object.assign(values, change);
      for (const name of Object.keys(change)) changed.add(name);
      if (waits) return;
      wait();
      tell();
    },
    on: (listener) => listeners.push(listener),
  };
}
