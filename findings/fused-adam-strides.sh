#!/usr/bin/env bash
# PyTorch 2.13.0 on a processor: Adam(fused=True) takes a gradient whose numbers are not next to each other for another gradient.
#
# Guess before it was run: fused is a matter of speed; whatever the strides of a gradient, the step is that of the plain loop.
# Seen: three steps of a weight of 3 x 4 whose gradient is a transposed tensor of the same shape. The plain loop gives the same weights as with
# a contiguous copy of the gradient, to the bit; the fused step of the copy agrees to 6e-8; the fused step of the transposed one is off by .59,
# six times the learning rate, without an error. It seems to read the gradient's memory in its own order.
# Gradients of autograd have their weight's strides, so that nobody sees it who only calls backward(); who assigns gradients, as of a
# product computed by hand, transposed, or averages them in another layout, trains on permuted gradients.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
cat > "$folder/steps.py" <<'PY'
import torch


def weights(fused, contiguous):
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(3, 4))
    adam = torch.optim.Adam([weight], lr=0.1, fused=fused, foreach=False)
    for step in range(3):
        gradient = torch.arange(12.0).view(4, 3).t() - 5 + step
        weight.grad = gradient.contiguous() if contiguous else gradient
        adam.step()
    return weight.detach()


print("torch", torch.__version__)
plain = weights(False, True)
off = {(fused, contiguous): float((weights(fused, contiguous) - plain).abs().max()) for fused in (False, True) for contiguous in (True, False)}
for (fused, contiguous), most in off.items():
    print(f"fused={fused}, the gradient {'contiguous' if contiguous else 'transposed'}: off by {most:.2g}")
assert off[False, False] == 0
assert off[True, True] < 1e-6
assert off[True, False] > 0.1
PY
"$folder/env/bin/python" "$folder/steps.py"
