// A pointer that paints on a canvas.

/** Calls `paint` with shares of the width and height under the pointer while it is held, and `ended` when it is lifted. */
export function painted(canvas, paint, ended) {
  let painting = false;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    paint((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  };
  const end = () => {
    if (painting) ended();
    painting = false;
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    painting = true;
    at(event);
  });
  canvas.addEventListener("pointermove", (event) => painting && at(event));
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
}
