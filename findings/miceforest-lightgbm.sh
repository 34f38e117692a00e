#!/usr/bin/env bash
# miceforest 6.0.5, the newest: with LightGBM 4.7.0, which pip installs beside it, its default way to fill in a table ends in a TypeError.
#
# Guess before it was run: a package of chained forests calls what its trees' library documents, and a version that pip takes works.
# Seen: mice() of a table of four numbers with a fifth of its cells missing fills all of them with LightGBM 4.6.0; with 4.7.0 it raises
# "takes 1 positional argument but 2 were given". To match means it calls a method of the booster whose name begins with two underscores,
# by the name that Python makes of it (_Booster__inner_predict), which another version has with other arguments. miceforest asks for
# LightGBM 4.1.0 or newer, without an end.
# Whoever measures imputation beside it has to pin both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet miceforest==6.0.5 pandas==3.1.1 numpy==2.4.6
cat > "$folder/filled.py" <<'PY'
import lightgbm
import miceforest
import numpy as np
import pandas as pd

chance = np.random.default_rng(0)
values = chance.normal(size=(300, 4))
values[:, 1] += values[:, 0]
frame = pd.DataFrame(values, columns=list("abcd")).mask(chance.random((300, 4)) < 0.2)
kernel = miceforest.ImputationKernel(frame, num_datasets=1, random_state=1)
try:
    kernel.mice(2)
    found = f"{int(kernel.complete_data(0).isna().sum().sum())} cells left empty of {int(frame.isna().sum().sum())}"
except TypeError as error:
    found = f"TypeError: {error}"
print(f"LightGBM {lightgbm.__version__}: {found}")
PY
for version in 4.6.0 4.7.0; do
    "$folder/env/bin/pip" install --quiet lightgbm=="$version"
    "$folder/env/bin/python" -W ignore "$folder/filled.py" | tee -a "$folder/seen"
done
grep -q "LightGBM 4.6.0: 0 cells left empty" "$folder/seen"
grep -q "LightGBM 4.7.0: TypeError: Booster.__inner_predict() takes 1 positional argument but 2 were given" "$folder/seen"
