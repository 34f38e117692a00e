#!/usr/bin/env bash
# PyTorch 2.13.0: a network that says len(x) is written as ONNX for one size of batch, though torch.onnx.export was asked for any.
#
# Guess before it was run: an axis that is given a torch.export.Dim is written with a name for its size, or the export fails and says why,
# as torch.export.export itself does. Seen: the network is written, without an error or a warning, for batches of the size of the example
# alone, input (2, 3). With x.shape[0] in place of len(x) the input is (batch, 3). torch.export.export refuses the former.
# Whoever exports such a network finds out when a runtime is given another number of rows.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6 onnx==1.23.2 onnxscript==0.7.2
cat > "$folder/batch.py" <<'PY'
import warnings

import torch
from torch import nn


class Len(nn.Module):
    def forward(self, x):
        return 2 * x.reshape(len(x), -1)


class Shape(nn.Module):
    def forward(self, x):
        return 2 * x.reshape(x.shape[0], -1)


def written(network):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        shapes = ({0: torch.export.Dim("batch")},)
        program = torch.onnx.export(network, (torch.zeros(2, 3),), dynamo=True, dynamic_shapes=shapes, verbose=False)
    sides = [side.dim_param or side.dim_value for side in program.model_proto.graph.input[0].type.tensor_type.shape.dim]
    return sides, [str(one.message) for one in said if "batch" in str(one.message) or "dynamic" in str(one.message)]


print("torch", torch.__version__)
of_len, of_shape = written(Len()), written(Shape())
print("with len(x):     ", of_len)
print("with x.shape[0]: ", of_shape)
try:
    torch.export.export(Len(), (torch.zeros(2, 3),), dynamic_shapes=({0: torch.export.Dim("batch")},))
    refused = False
except Exception as error:
    refused = True
    print("torch.export.export:", type(error).__name__, str(error).splitlines()[0])
assert of_len == ([2, 3], []), of_len
assert of_shape == (["batch", 3], []), of_shape
assert refused
PY
"$folder/env/bin/python" "$folder/batch.py"
