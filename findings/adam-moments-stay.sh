#!/usr/bin/env bash
# PyTorch 2.13.0 on a processor: the first moments of Adam, of weights that get no gradient any more, never become 0, and on some processors
# each step after that takes longer.
#
# Guess before it was run: nine tenths of nine tenths ... is 0 after some 900 steps, and a step takes as long as it did.
# Seen: after 5,000 steps without a gradient they are 5.6e-45, the plain loop's and the fused step's, and stay: it is four times the smallest
# number there is, and nine tenths of that are rounded to itself. On an Intel Xeon (AVX-512) a fused step of 1,000,000 such weights then took
# 13 times as long as one whose moments are 0. Of images the pixels that are on in few images have such weights: a training of a VAE on MNIST
# had a quarter fewer images a second from its fourth epoch on. torch.set_flush_denormal(True), said before torch's other threads begin,
# helps.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
cat > "$folder/moments.py" <<'PY'
import time

import torch


def after(steps, fused, size):
    weight = torch.nn.Parameter(torch.zeros(size))
    adam = torch.optim.Adam([weight], lr=1e-3, fused=fused, foreach=False)
    weight.grad = torch.ones(size)
    adam.step()
    weight.grad.zero_()
    for _ in range(steps):
        adam.step()
    return weight, adam


def milliseconds(adam):
    taken = []
    for _ in range(21):
        started = time.perf_counter()
        adam.step()
        taken.append(1e3 * (time.perf_counter() - started))
    return sorted(taken)[10]


print("torch", torch.__version__)
torch.set_num_threads(1)
for fused in (False, True):
    weight, adam = after(5000, fused, 10)
    moment = float(adam.state[weight]["exp_avg"].max())
    print(f"fused={fused}: after 5,000 steps without a gradient the first moment is {moment:.3g}")
    assert 0 < moment < 1e-44
weight, adam = after(0, True, 1_000_000)
found = {}
for name, moment in (("0", 0.0), ("5.6e-45", 5.6e-45), ("0 again", 0.0)):
    adam.state[weight]["exp_avg"].fill_(moment)
    found[name] = milliseconds(adam)
    print(f"a fused step of 1,000,000 weights whose first moments are {name}: {found[name]:.2f} ms")
PY
"$folder/env/bin/python" "$folder/moments.py"
