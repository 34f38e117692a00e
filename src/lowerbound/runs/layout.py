"""The names of the files in a run's folder."""

from __future__ import annotations

RECIPE = "recipe.toml"
DATA = "data.json"
COLUMNS = "columns.json"  # of a table
ENVIRONMENT = "environment.json"
METRICS = "metrics.jsonl"
LOCK = ".lock"
WEIGHTS = "weights.safetensors"
BEST = "best.safetensors"  # of the epoch with the best held-out bound
TRAINING = "checkpoint.safetensors"
BEFORE = "checkpoint-before.safetensors"  # what TRAINING was, for when that is damaged
COMING = "checkpoint-coming.safetensors"  # what it will be
RESULT = "result.json"
CLASSIFIER = "classifier"  # what RESULT and EVALUATION say of how classes are predicted
EVALUATION = "evaluation.json"
FIGURES = "figures"
REPORT = "report.html"
TRACKERS = "trackers"  # what --log leaves
