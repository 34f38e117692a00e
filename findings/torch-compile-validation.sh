#!/usr/bin/env bash
# torch 2.13.0: compiling any function switches off the validation of every distribution of PyTorch, for the whole process.
#
# Guess before it was run: torch.compile changes what is compiled, and code that is not compiled goes on as before.
# Seen: before it Normal(0, -1) raises a ValueError; once some function has been compiled, even by the backend "eager" that compiles nothing,
# the same line makes a distribution whose log_prob is nan, in code that knows nothing of it. The switch is thrown at the first
# torch.compile, not at the call. Distribution.set_default_validate_args(True) brings the error again.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
"$folder/env/bin/python" - <<'PY'
import torch
from torch.distributions import Distribution, Normal


def tried() -> str:
    try:
        return f"log_prob {float(Normal(0.0, -1.0).log_prob(torch.tensor(0.0)))}"
    except ValueError:
        return "ValueError"


before = tried()
twice = torch.compile(lambda x: 2 * x, backend="eager")
made = tried()
twice(torch.ones(1))
called = tried()
Distribution.set_default_validate_args(True)
print(f"torch {torch.__version__}: Normal(0, -1) before {before}, after torch.compile {made}, after its call {called}, restored {tried()}")
assert before == "ValueError" and called == "log_prob nan"
PY
