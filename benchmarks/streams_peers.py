"""Rows a second read from disk beside others: ``python benchmarks/streams_peers.py --folder SCRATCH --gigabytes 20 --out FILE.json``.

Half a million rows of 784 random bytes, in batches of 128 in an order of chance, pixels in [0, 1], of what is not in the page cache:
by this project from its shards; by Hugging Face's ``datasets``, from Arrow's files through PyTorch's ``DataLoader``, shuffled in a buffer
of 10,000 rows, or each row from where it is; and by litdata's ``StreamingDataLoader``. Theirs with no process beside the one that asks,
and with two.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from peer_environment import TORCH, environment
from streams import PIXELS, forget, made

PEERS = {"datasets": "datasets==5.2.0", "litdata": "litdata==0.2.76"}
WAYS = {"datasets in a buffer": "datasets", "datasets by number": "datasets", "litdata": "litdata"}
SCRIPT = Path(__file__).parent / "peers" / "streams_peer.py"
WORKERS = (0, 2)
MOST = 500_000  # rows that each reads


def said(python: str | Path, *words: object) -> Any:
    """What a process says on its last line."""
    done = subprocess.run([str(python), *map(str, words)], check=True, capture_output=True, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    print(*words[1:], found, flush=True)
    return found


def measured(scratch: Path, rows: int, python: str | Path) -> dict[str, Any]:
    """Rows a second of each."""
    shards = made(scratch, rows)
    forget(shards)
    found: dict[str, Any] = {
        "rows": rows,
        "lowerbound": said(sys.executable, SCRIPT.parent.parent / "streams.py", "--child", "reading", shards, min(rows, MOST)),
    }
    for way, peer in WAYS.items():
        folder = scratch / f"{peer}-{rows}"
        if not folder.is_dir():
            said(python, SCRIPT, f"write {peer}", shards, folder)
        found[way] = {"package": PEERS[peer]}
        for workers in WORKERS:
            forget(folder)
            found[way][f"{workers} workers"] = said(python, SCRIPT, f"read {way}", folder, workers, min(rows, MOST))
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Rows a second read from disk, beside others.")
    parser.add_argument("--folder", type=Path, required=True, help="where there is room for the data, three times")
    parser.add_argument("--gigabytes", type=float, default=20)
    parser.add_argument("--python", type=Path, help="an interpreter that has the packages (default: one is made)")
    parser.add_argument("--out", type=Path, required=True)
    typed = parser.parse_args()
    interpreter = typed.python or environment("streams", (TORCH, "numpy", *PEERS.values()))
    found = measured(typed.folder, int(typed.gigabytes * 1e9 / PIXELS), interpreter)
    typed.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
