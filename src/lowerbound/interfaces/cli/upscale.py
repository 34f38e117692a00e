"""``lowerbound upscale``: super-resolution of images, and their PSNR and SSIM where the truth is known."""

from __future__ import annotations

import math
from argparse import Namespace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lowerbound.evaluation import image_quality
from lowerbound.figures import panels, style
from lowerbound.figures.pictures import images
from lowerbound.interfaces.cli import console
from lowerbound.interfaces.cli.console import Answer
from lowerbound.interfaces.cli.output import of_kind
from lowerbound.interfaces.cli.source import asked_for, looked_at, must_not_read_classes
from lowerbound.runs import run as runs
from lowerbound.runs.run import Run
from lowerbound.system.files import save_arrays, written
from lowerbound.system.numbers import fixed
from lowerbound.tasks.upscale import Upscaled, bicubic, must_take, nearest, reduced
from lowerbound.tasks.upscale import upscale as upscaled
from lowerbound.vae.contexts import LowResolution

FACTOR = 4


def upscale(args: Namespace) -> Answer:
    """The first images enlarged: those of the model's own size are reduced first, and are then the truth."""
    path = of_kind(args.output, ".png", ".npz")
    run = runs.load(args.run, args.device)
    must_not_read_classes(run)
    own = run.vae.context.factor if isinstance(run.vae.context, LowResolution) else FACTOR
    factor = own if args.factor is None else args.factor
    must_take(run.vae, factor)
    shape = LowResolution(factor, run.spec.event_shape).shape
    data = asked_for(run, args, look=True, small=shape)
    values = looked_at(data, args.rows, path)[:]
    truth = None if tuple(values.shape[1:]) == shape else values
    low = values if truth is None else reduced(values, factor)
    found = upscaled(run.vae, low, factor, args.n, samples=args.samples, draw=args.draw, memory=args.memory, seed=args.seed)
    plain = {"nearest": nearest(low, factor), "bicubic": bicubic(low, factor, run.spec.low, run.spec.high)}
    _write(path, run, low, plain, found, truth)
    return _answer(args, run, path, factor, low, plain, found, truth)


def _write(path: Path, run: Run, low: Tensor, plain: dict[str, Tensor], found: Upscaled, truth: Tensor | None) -> None:
    if path.suffix == ".npz":
        arrays = {"given": low, "values": found.values, "mean": found.mean, "spread": found.spread, **plain}
        arrays |= {} if truth is None else {"truth": truth}
        save_arrays(path, {name: array.numpy() for name, array in arrays.items()})
        return
    small, near, cubic, mean = (images(part, run.spec) for part in (low, *plain.values(), found.mean))
    samples = images(found.values.flatten(0, 1), run.spec).reshape(*found.values.shape[:2], *mean.shape[1:])
    content = style.encode_png(
        panels.upscaled(small, near, cubic, samples, mean, found.spread.numpy(), None if truth is None else images(truth, run.spec))
    )
    with written(path) as file:
        file.write(content)


def _answer(
    args: Namespace, run: Run, path: Path, factor: int, low: Tensor, plain: dict[str, Tensor], found: Upscaled, truth: Tensor | None
) -> Answer:
    n, rows = found.values.shape[:2]
    off = float((reduced(found.mean, factor) - low).square().mean().sqrt())
    values: dict[str, Any] = {"run": args.run, "output": str(path), "n": n, "rows": rows, "factor": factor, "inconsistency": off}
    values |= {"ess": float(found.ess.mean()), "ess_least": float(found.ess.min())}
    console.few_draws(args, found.ess, "examples, whose images are then too alike")
    lines = [f"{n} images for each of {rows:,} examples, {factor} times larger: {path}"]
    lines.append(f"their mean, reduced again, differs from the given images by {fixed(off, 4)} (root mean square)")
    if run.vae.context is None:
        lines.append(f"{values['ess']:,.0f} effective draws of {args.samples:,}, at least {values['ess_least']:,.1f}")
    if truth is not None:
        measured = _measured(found, plain, truth, run.spec.high - run.spec.low)
        values |= {name: {row["images"]: row[heading] for row in measured} for name, heading in (("psnr", PSNR), ("ssim", "SSIM"))}
        lines.append(console.table(measured))
    return Answer("\n".join(lines), values)


PSNR = "PSNR, dB"


def _measured(found: Upscaled, plain: dict[str, Tensor], truth: Tensor, span: float) -> list[dict[str, Any]]:
    """PSNR and SSIM, means over images, of samples over all samples too."""
    span = span if span > 0 and math.isfinite(span) else 1.0
    of = {"mean": found.mean[None], "samples": found.values, **{name: images[None] for name, images in plain.items()}}
    return [
        {
            "images": name,
            PSNR: float(torch.stack([image_quality.psnr(one, truth, span) for one in images]).mean()),
            "SSIM": float(torch.stack([image_quality.ssim(one, truth, span) for one in images]).mean()),
        }
        for name, images in of.items()
    ]
