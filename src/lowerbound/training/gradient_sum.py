"""The gradient of a batch from those of its shares: a sum over microbatches and processes, in buckets that are sent while the backward
pass goes on.

The weights whose gradients are found first are in the first bucket: the sum of one crosses the network while those of the next are
computed. Collectives are torch's, over gloo or NCCL. torch's own reducer listens to autograd, which the steps by hand do without; here a
step of any kind says which weight's gradient it has.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce

import torch
from torch import Tensor, nn
from torch import distributed as dist

from lowerbound.training.processes import FLAGS, ProcessGroup, Share, all_there

#: bytes of gradients that are sent at once, at least; as small as DistributedDataParallel's first bucket
BUCKET = 2**20
MEANS = 3  # of a batch: bound, reconstruction term, KL


@dataclass
class Bucket:
    """The gradients of some weights side by side in one tensor, and how many of them are still to come."""

    weights: list[nn.Parameter]
    flat: Tensor
    left: int = 0
    work: dist.Work | None = None


@dataclass
class GradientSum:
    """The sum of the gradients of a model's ``weights``, that which is found last first, over the shares of a batch.

    In one step after the other: ``begin``, for each share ``share`` and ``end_share``, then ``finish``. With microbatches it is one of
    double precision: the numbers it adds have 24 bits and counts of examples a few more, so that sums are exact unless terms differ by a
    factor of some 10⁵, and their order is of no influence on what is left when they are rounded to single precision.
    """

    group: ProcessGroup
    weights: list[nn.Parameter]
    device: torch.device
    _factor: float = 1.0
    _is_last: bool = True
    _examples: int = 1
    _waiting: set[Tensor] = field(default_factory=set)  # for their gradients of the share
    _found: dict[Tensor, int] = field(default_factory=dict)  # in how many shares each had one
    _sent: int = 0  # of the buckets

    @classmethod
    def of(cls, group: ProcessGroup, model: nn.Module) -> GradientSum | None:
        """That of all weights that want a gradient; None where a batch is computed as a whole."""
        weights = [*model.parameters()]
        return None if group.takes_all else cls(group, [each for each in reversed(weights) if each.requires_grad], weights[0].device)

    def __post_init__(self) -> None:
        self.in_double = self.group.microbatches is not None
        self.single = reduce(torch.promote_types, (weight.dtype for weight in self.weights), torch.float32)
        self.kind = torch.float64 if self.in_double else self.single
        self.tail = [MEANS, len(self.weights) + len(FLAGS)]  # behind the last gradients: means; how many shares have each gradient, flags
        self.buckets = [self._bucket(some, last) for some, last in _bucketed(self.weights, self.kind.itemsize)]
        self.bucket: dict[Tensor, Bucket] = {weight: bucket for bucket in self.buckets for weight in bucket.weights}
        self.place: dict[Tensor, Tensor] = {weight: place for bucket in self.buckets for weight, place in self._places(bucket)}
        self.means, self.counts = self.buckets[-1].flat[-sum(self.tail) :].split(self.tail)

    def _bucket(self, weights: list[nn.Parameter], last: bool) -> Bucket:
        size = sum(weight.numel() for weight in weights) + last * sum(self.tail)
        return Bucket(weights, torch.zeros(size, dtype=self.kind, device=self.device))

    def _places(self, bucket: Bucket) -> list[tuple[nn.Parameter, Tensor]]:
        sizes = [weight.numel() for weight in bucket.weights]
        parts = bucket.flat[: sum(sizes)].split(sizes)
        return [(weight, part.view_as(weight)) for weight, part in zip(bucket.weights, parts, strict=True)]

    # --- a step ----------------------------------------------------------------------------------------

    def begin(self, examples: int) -> None:
        """Begin with a batch of so many examples."""
        self._examples, self._sent, self._found = examples, 0, dict.fromkeys(self.weights, 0)
        for bucket in self.buckets:
            bucket.left = len(bucket.weights)
            if self.in_double:
                bucket.flat.zero_()
        self.means.zero_()

    def share(self, share: Share, last: bool) -> None:
        """What comes next are the gradients of a share, the ``last`` of this process or not."""
        self._factor = share.weight if self.in_double else share.weight / self._examples
        self._is_last, self._waiting = last, set(self.weights)

    def ready(self, weight: Tensor) -> None:
        """The gradient of the share is in the weight: add it to the sum, and send the bucket that it completes."""
        if weight not in self._waiting or weight.grad is None:
            return
        if self.in_double:
            self.place[weight].add_(weight.grad, alpha=self._factor)
        else:
            torch.mul(weight.grad, self._factor, out=self.place[weight])
        self._found[weight] += 1
        self._done(weight)

    def end_share(self, means: Tensor) -> None:
        """All gradients of the share are there, and its means: add those that nobody spoke of."""
        for weight in [weight for weight in self.weights if weight in self._waiting]:
            if weight.grad is not None:
                self.ready(weight)
                continue
            if not self.in_double:
                self.place[weight].zero_()
            self._done(weight)  # it had no part in the loss
        self.means.add_(means.to(self.kind), alpha=self._factor)

    def finish(self) -> Tensor:
        """Put the sums into the weights; return that of the means. Errors: RunError if a process is gone."""
        self.counts.copy_(torch.tensor([*self._found.values(), *self.group.raised()]))
        self._send(self.buckets[-1])
        with all_there():
            for bucket in self.buckets:
                if bucket.work is not None:
                    bucket.work.wait()
        counts = self.counts.tolist()
        self.group.see(counts[len(self.weights) :])
        for weight, shares in zip(self.weights, counts, strict=False):
            weight.grad = self._mean(self.place[weight]).to(weight.dtype) if shares else None
        return self._mean(self.means.clone())

    def _mean(self, total: Tensor) -> Tensor:
        """The mean over the batch that a sum stands for."""
        return (total / self._examples).to(self.single) if self.in_double else total

    def _done(self, weight: Tensor) -> None:
        """One gradient less to come: send buckets that are complete, in their order, which is that of all processes."""
        self._waiting.discard(weight)
        if not self._is_last:
            return
        self.bucket[weight].left -= 1
        while self._sent < len(self.buckets) - 1 and not self.buckets[self._sent].left:
            self._send(self.buckets[self._sent])
            self._sent += 1

    def _send(self, bucket: Bucket) -> None:
        if self.group.size > 1:
            with all_there():
                bucket.work = dist.all_reduce(bucket.flat, async_op=True)


def _bucketed(weights: list[nn.Parameter], itemsize: int) -> list[tuple[list[nn.Parameter], bool]]:
    """Weights in their order in buckets of at least ``BUCKET`` bytes, and whether one is the last."""
    found: list[list[nn.Parameter]] = [[]]
    for weight in weights:
        if sum(each.numel() for each in found[-1]) * itemsize >= BUCKET:
            found.append([])
        found[-1].append(weight)
    return [(some, some is found[-1]) for some in found]
