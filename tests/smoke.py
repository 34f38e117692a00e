"""The installed package, tried as a user does, in an empty folder: ``python tests/smoke.py`` in whatever environment has it.

It needs nothing but the package. Where mypy or pyright is installed too, they look at a program that uses it, from outside.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TABLE = "size,kind,on\n" + "\n".join(f"{row % 7 + row / 50},{'ab'[row % 2]},{'' if row % 9 == 0 else row % 3}" for row in range(60)) + "\n"
COMMANDS = [
    "--version",
    "help likelihood",
    "completion bash",
    "completion zsh",
    "completion fish",
    "train digits --epochs 2 --network mlp:16 --out d --log csv",
    "resume d --epochs 3",
    "sample d --n 4 -o samples.png",
    "encode d -o latents.npz",
    "evaluate d --samples 10",
    "score d --samples 5 -o scores.parquet",
    "report d",
    "push d file:shared",
    "sample file:shared --n 4 -o again.npy",
    "train digits --posterior flow --network mlp:16 --epochs 1 --out f",
    "train digits --network conv:4-8 --epochs 1 --out c",
    "train table.csv --recipe miwae --epochs 2 --network mlp:16 --out t",
    "impute t -o filled.csv --samples 20",
]
PROGRAM = """
import lowerbound as lb
from lowerbound.sklearn import VAE

recipe: lb.Recipe = lb.Recipe(data="digits", epochs=1)
run: lb.Run = lb.load("d")
rows: int = len(run.history())
device: str = str(run.vae.device)
tracker = lb.tracker("csv")
model: VAE = VAE(epochs=1).fit([[0.0], [1.0]])
reveal_type(lb.load("d").recipe)
"""
CHECKERS = {"mypy": ["-m", "mypy", "--strict"], "pyright": ["-m", "pyright"]}


def main() -> None:
    """Run all; the first that fails ends it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "table.csv").write_text(TABLE, encoding="utf-8")
        (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
        environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache")}
        for words in COMMANDS:
            run(["-m", "lowerbound", *words.split()], folder, environment)
        test = json.loads((folder / "d" / "result.json").read_text(encoding="utf-8"))["test"]
        assert -60 < test["bound"] < -20, test
        for checker, words in CHECKERS.items():
            if importlib.util.find_spec(checker):
                assert "Recipe" in run([*words, "program.py"], folder, environment)


def run(words: list[str], folder: Path, environment: dict[str, str]) -> str:
    """What a program of this Python prints. Errors: SystemExit where it fails."""
    found = subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True)
    if found.returncode:
        raise SystemExit(f"{' '.join(words)}: exit code {found.returncode}\n{found.stdout[-2000:]}\n{found.stderr[-2000:]}")
    sys.stderr.write(f"ok: {' '.join(words)}\n")
    return found.stdout


if __name__ == "__main__":
    main()
