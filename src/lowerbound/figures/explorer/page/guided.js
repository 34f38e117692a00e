// A decoder of latents that an image guides: its features join z, for what is far, itself the last layers' input, for what is near.

import { enlarged, forward, joined, planes, register } from "./layers.js";

const seen = new WeakMap(); // contexts, by what was made of each: a drag over the plane keeps its own

function guided(layer, z, arrays, context) {
  if (seen.get(context)?.layer !== layer) {
    const near = enlarged(context, layer.size);
    seen.set(context, { layer, near, features: forward(layer.features, near, arrays) });
  }
  const { near, features } = seen.get(context);
  return forward(layer.last, planes(forward(layer.decoder, joined(z, features), arrays), near), arrays);
}

register("guided", guided);
