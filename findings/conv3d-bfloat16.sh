#!/usr/bin/env bash
# PyTorch 2.13.0 on a processor with AVX-512 and its bfloat16: the weight gradient of a Conv3d on small volumes is wrong, or infinite.
#
# Guess before it was run: products in bfloat16 have three digits, and so have gradients: off by some thousandths, as those of Conv2d are.
# Seen on an AMD EPYC with avx512_bf16: Conv3d(16, 8, 3, padding=1) in autocast to bfloat16, on 64 volumes of 2 x 3 x 3, gives an output, a
# bias gradient and an input gradient that are off by .003, and a weight gradient that is off by its own size, infinite or NaN, another at
# each call. Conv2d of the same channels on 3 x 3 pixels, and Conv3d with stride 2, are off by .003 throughout. On processors without
# avx512_bf16 nothing of it was seen; there the script says so and ends.
# Whoever trains on volumes in mixed precision on such a processor learns noise where those layers are.
set -euo pipefail
grep -q avx512_bf16 /proc/cpuinfo || { echo "this processor has no avx512_bf16: nothing to see"; exit 0; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
cat > "$folder/gradients.py" <<'PY'
import torch
from torch import nn


def off(kind, size, **settings):
    torch.manual_seed(0)
    layer, x, found = kind(16, 8, 3, padding=1, **settings), torch.randn(64, 16, *size), []
    slope = None
    for rounded in (False, True):
        layer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=rounded):
            y = layer(x)
        slope = torch.randn(y.shape) if slope is None else slope
        y.backward(slope.to(y.dtype))
        found.append((y.detach().float(), layer.weight.grad.clone()))
    return [float((exact - rough).norm() / exact.norm()) for exact, rough in zip(*found)]


print("torch", torch.__version__, torch.backends.cpu.get_cpu_capability())
volumes = [off(nn.Conv3d, (2, 3, 3)) for _ in range(5)]
others = [off(nn.Conv2d, (3, 3)), off(nn.Conv3d, (2, 3, 3), stride=2)]
print("Conv3d, relative error of output and weight gradient, five times:", volumes)
print("Conv2d, and Conv3d with stride 2:", others)
assert max(output for output, _ in volumes) < 0.01
assert max(max(pair) for pair in others) < 0.01
assert any(not gradient < 0.1 for _, gradient in volumes)  # NaN too
PY
"$folder/env/bin/python" "$folder/gradients.py"
