#!/usr/bin/env bash
# safetensors 0.8.0: the same tensors and the same metadata, saved again, are other bytes.
#
# Guess before it was run: saving is a function of what is saved, so that two runs of one seed leave files of one checksum.
# Seen: with six keys of metadata, five processes wrote five different files; the entries of __metadata__ come in an order that each
# process draws anew. Without metadata, or with a single key, the five files are one. The tensors themselves are always the same.
# Who compares trainings by the checksum of a file meets this: keep one key, whose value is JSON, or compare tensors.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet safetensors==0.8.0 numpy==2.4.6
cat > "$folder/save.py" <<'PY'
import hashlib
import sys

import numpy as np
from safetensors.numpy import load, save

keys = int(sys.argv[1])
content = save({"weight": np.arange(6, dtype=np.float32), "bias": np.ones(2, np.float32)}, metadata={f"key{i}": str(i) for i in range(keys)} or None)
assert sorted(load(content)) == ["bias", "weight"]
print(hashlib.sha256(content).hexdigest())
PY
count() { for _ in 1 2 3 4 5; do "$folder/env/bin/python" "$folder/save.py" "$1"; done | sort -u | wc -l; }
none=$(count 0) one=$(count 1) six=$(count 6)
echo "safetensors 0.8.0, five processes: $none different file(s) without metadata, $one with one key, $six with six keys"
[ "$none" -eq 1 ] && [ "$one" -eq 1 ] && [ "$six" -gt 1 ]
