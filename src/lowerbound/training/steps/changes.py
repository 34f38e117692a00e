"""What a caller did to a model between two steps: cheap to ask whether it was anything at all, and what of it concerns the optimizer.

The body of the caller's ``for`` may freeze, prune, parametrize and replace what it likes, set hooks and methods, and change modes.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

import torch
from torch import Size, Tensor, nn

from lowerbound.errors import UsageError
from lowerbound.nn.hooks import HOOKS, any_global_hook, any_hook
from lowerbound.training.steps.plan import Plan


def is_as_made(module: nn.Module) -> bool:
    """Whether a module is in training mode, has no hooks, and no methods but its class's."""
    own, kind = vars(module), type(module)
    return module.training and not any_hook(module) and not any(callable(getattr(kind, name, None)) for name in own)


class Changes:
    """Whether anything of a plan has changed since it was last asked: attributes, hooks and modes of modules, weights, the optimizer.

    Numbers within weights are not looked at, as every step reads them anew; so that it takes some 2 µs a module.
    """

    def __init__(self, plan: Plan):
        self.plan = plan
        self.facts: list[object] = []
        self.modules: list[nn.Module] = []
        self.dictionaries: list[dict[str, Any]] = []  # theirs: attributes, parts, hooks, weights, buffers
        self.tensors: list[dict[str, Any]] = []  # of these the last two
        self.weights: list[nn.Parameter] = []
        self.buffers: list[Tensor] = []

    def any(self) -> bool:
        """Whether there was any since the last call; at the first there was."""
        before, self.facts = self.facts, self._now()
        try:
            changed = before != self.facts  # a list compares identities first, and most are
        except (RuntimeError, ValueError):  # of two tensors or arrays, which are not one
            changed = True
        if changed:
            self._walk()
            self.facts = self._now()
        return changed

    def _walk(self) -> None:
        """Find all modules, and what they hold."""
        left: list[Any] = [self.plan.vae, self.plan.estimator]
        self.modules, self.dictionaries, self.tensors, self.weights, self.buffers = [], [], [], [], []
        while left:
            if (module := left.pop()) is None:
                continue
            own = module.__dict__
            self.modules.append(module)
            self.tensors += own["_buffers"], own["_parameters"]
            self.dictionaries += own, own["_modules"], *(own[name] for name in HOOKS), *self.tensors[-2:]
            self.weights += (weight for weight in own["_parameters"].values() if weight is not None)
            self.buffers += (buffer for buffer in own["_buffers"].values() if buffer is not None)
            left += own["_modules"].values()

    def _now(self) -> list[object]:
        """Everything that is compared, of the modules that were found: they are all there are while nothing has changed.

        Weights are there twice, their id and they themselves, so that no other gets that id: of one number they may be equal.
        """
        plan = self.plan
        facts: list[object] = [plan.state.optimizer, any_global_hook(), *map(type, self.modules)]
        for buffer in self.buffers:  # that of a prior says whether it is N(0, I)
            facts += buffer._version, buffer.data_ptr()
        facts += chain.from_iterable(map(dict.values, self.dictionaries))
        facts += map(id, chain.from_iterable(map(dict.values, self.tensors)))
        for weight in self.weights:
            facts += (weight.requires_grad, weight.dtype, weight.shape, weight.device, weight.is_contiguous())
            facts += (bool(weight._backward_hooks), bool(weight._post_accumulate_grad_hooks))
        return facts


class Weights:
    """The weights of a training: those that the model has at its start, and those that it gets during it."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.known: dict[nn.Parameter, tuple[torch.dtype, torch.device, Size]] = {
            weight: (weight.dtype, weight.device, weight.shape) for weight in plan.vae.parameters()
        }
        self.kinds = {(kind, device) for kind, device, _ in self.known.values()}

    def admit(self) -> None:
        """Give weights that the model got since, and that want a gradient, to the optimizer, if they are not there already.

        The step of those that it lost is no longer theirs. Errors: UsageError where the optimizer's memory does not fit a weight.
        """
        weights = list(self.plan.vae.parameters())
        for weight in weights:
            fact = weight.dtype, weight.device, weight.shape
            if fact[:2] not in self.kinds or self.known.get(weight, fact) != fact:
                raise UsageError(
                    "a weight was replaced by one of another type, or changed its shape or its device, during training; call fit again"
                )
        for lost in self.known.keys() - set(weights):
            lost.grad = None
        new = [weight for weight in weights if weight not in self.known and weight.requires_grad]
        self.known |= {weight: (weight.dtype, weight.device, weight.shape) for weight in new}
        optimizer = self.plan.state.optimizer
        there = {weight for group in optimizer.param_groups for weight in group["params"]}
        if left := [weight for weight in new if weight not in there]:
            optimizer.add_param_group({**optimizer.param_groups[0], "params": left})
