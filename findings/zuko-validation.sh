#!/usr/bin/env bash
# zuko 1.6.0: importing it switches off the validation of every distribution of PyTorch, for the whole process.
#
# Guess before it was run: a library of flows validates its own distributions as it likes and leaves torch's as they were.
# Seen: before the import Normal(0, -1) raises a ValueError; after it the same line makes a distribution whose log_prob is nan, in code
# that never names zuko. torch's own way back, Distribution.set_default_validate_args(True), brings the error again.
# A model that trains without a flow can so get NaN in place of an error because another part of the program made a flow.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6 zuko==1.6.0
"$folder/env/bin/python" - <<'PY'
import torch
from torch.distributions import Distribution, Normal


def tried() -> str:
    try:
        return f"log_prob {float(Normal(0.0, -1.0).log_prob(torch.tensor(0.0)))}"
    except ValueError:
        return "ValueError"


before = tried()
import zuko

after = tried()
Distribution.set_default_validate_args(True)
restored = tried()
print(f"zuko {zuko.__version__}, torch {torch.__version__}: Normal(0, -1) before the import {before}, after it {after}, restored {restored}")
assert (before, after, restored) == ("ValueError", "log_prob nan", "ValueError")
PY
