// Boxes that scroll can be reached by keys, and the list of pages shows where the reader is.
"use strict";

function reachable() {
  for (const box of document.querySelectorAll("pre, .table-wrapper, .formula, .output")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

function here() {
  const list = document.querySelector(".sidebar-scroll");
  const page = document.querySelector(".sidebar-tree .current-page > a");
  if (!list || !page) return;
  const below = page.getBoundingClientRect().bottom - list.getBoundingClientRect().bottom;
  if (below > 0) list.scrollTop += below + list.clientHeight / 2;
}

window.addEventListener("load", () => { reachable(); here(); });
window.addEventListener("resize", reachable);
