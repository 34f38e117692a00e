"""Adam for all parameters at once: by a compiled loop on the CPU, elsewhere by torch's."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from operator import is_not
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import optimizer as optim

from lowerbound.errors import UsageError
from lowerbound.system.arguments import number_above
from lowerbound.system.devices import loops
from lowerbound.system.threads import is_plain

if TYPE_CHECKING:
    from lowerbound.system.compiled import StepOfAdam

#: whether a gradient may be of another type than its weight
ROUNDED = hasattr(Tensor, "grad_dtype")
SCALED = "grad_scale"  # the attribute that torch.amp.GradScaler sets
#: what is called at each step of any optimizer
HOOKS = optim._global_optimizer_pre_hooks, optim._global_optimizer_post_hooks
SLOTS = 3  # of the state of a weight: steps and two moments
#: of a smaller ε moments that the loop has be 0 might count
LEAST_EPS = 1e-12
#: options of torch's Adam that the loop does not have
OTHERS = ("weight_decay", "amsgrad", "maximize", "capturable", "differentiable")
#: torch's own functions: what torch wraps them in imports its compiler when it is first called, which takes as long as torch itself
METHODS = torch.optim.Adam.add_param_group, torch.optim.Adam.state_dict, torch.optim.Adam.load_state_dict, torch.optim.Adam.step
ADD, STATE, LOAD, STEP = (inspect.unwrap(method) for method in METHODS)


class Adam(torch.optim.Adam):
    """torch's fused Adam or, where it is compiled, a loop with the same result but for rounding, in 3/5 of the time.

    Moments below 2^−100 are 0 then: torch's end in numbers too small to be normal, which are slow, and stay there.
    Gradients may be in bfloat16 where torch allows that for a weight (``ROUNDED``).
    Errors: UsageError for no weights, or a rate that is none.
    Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2014, https://arxiv.org/abs/1412.6980.

    >>> import torch
    >>> import lowerbound as lb
    >>> weight = torch.nn.Parameter(torch.zeros(1))
    >>> optimizer = lb.Adam([weight], learning_rate=0.1)
    >>> (weight - 5).square().sum().backward()
    >>> optimizer.step()
    >>> round(weight.item(), 3)  # a first step is as long as the learning rate, whatever the gradient
    0.1
    """

    def __init__(self, parameters: Iterable[nn.Parameter], learning_rate: float | Tensor = 1e-3):
        weights = list(parameters)
        if not weights:
            raise UsageError("there are no weights to train; give a model's, as lb.Adam(vae.parameters())")
        if not isinstance(learning_rate, Tensor):
            number_above("the learning rate", learning_rate, zero=True)
        super().__init__(weights, lr=learning_rate, fused=True)

    #: what the loop read last, where that was, and its step: to look at everything takes longer than a small network's step
    _last: tuple[list[Any], list[int], StepOfAdam] | None = None

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add weights with options of their own, as with any optimizer of torch; with several groups a step is torch's."""
        ADD(self, param_group)

    def state_dict(self) -> dict[str, Any]:
        """Moments, numbers of steps and options, as of any optimizer of torch."""
        found: dict[str, Any] = STATE(self)
        return found

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what ``state_dict`` gave, as any optimizer of torch."""
        LOAD(self, state_dict)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step down the gradients. The first is torch's, which initialises the moments."""
        if closure is None and self._by_loop():
            return None
        weights = self._weights()
        for weight in weights:
            weight.grad = None if weight.grad is None else weight.grad.to(weight.dtype).contiguous()  # fused, torch reads no strides
        return STEP(self, closure)

    def _by_loop(self) -> bool:
        """Whether the loop can take a step, which it then has taken: that of ``step`` without the hooks that torch wraps around it."""
        group, compiled = self.param_groups[0], loops()
        usual = len(self.param_groups) == 1 and group["eps"] >= LEAST_EPS and not any(group[name] for name in OTHERS)
        if compiled is None or not usual or hasattr(self, SCALED):
            return False
        weights = self._weights()
        each = [one for weight in weights for one in (weight, weight.grad, *self.state[weight].values())]
        places = [one.data_ptr() if isinstance(one, Tensor) and one.is_contiguous() else 0 for one in each]
        if self._last is None or self._last[1] != places or any(map(is_not, self._last[0], each)):
            if not self._is_readable(weights):
                self._last = None
                return False
            self._last = each, places, compiled.StepOfAdam([(weight, weight.grad, self.state[weight]) for weight in weights])
        self._last[2](group["lr"], group["betas"], group["eps"])
        torch.autograd.graph.increment_version(weights)
        return True

    def _weights(self) -> list[nn.Parameter]:
        """Those that have a gradient."""
        return [weight for each in self.param_groups for weight in each["params"] if weight.grad is not None]

    def _is_readable(self, weights: list[nn.Parameter]) -> bool:
        """Whether gradients and moments have their weight's shape and are contiguous in CPU memory, in types that the loop reads."""
        for weight in weights:
            slots, gradient = self.state[weight], weight.grad
            momenta = [slots.get("exp_avg"), slots.get("exp_avg_sq")]
            if len(slots) != SLOTS or not all(map(is_plain, (weight, slots["step"], *momenta))) or not is_plain(gradient, torch.bfloat16):
                return False
            if any(one is None or one.shape != weight.shape for one in (gradient, *momenta)):
                return False
        return True


def descend(optimizer: torch.optim.Optimizer) -> None:
    """A step of an optimizer: of ours where nobody looks at it without what torch wraps around it, a tenth of a millisecond."""
    if type(optimizer) is not Adam or _is_watched(optimizer) or not optimizer._by_loop():
        optimizer.step()


def _is_watched(optimizer: Adam) -> bool:
    """Whether somebody wants to know of its steps: a hook, a schedule of torch's, the profiler."""
    hooks = (*HOOKS, optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks)
    return any(hooks) or "step" in vars(optimizer) or torch._C._autograd._profiler_enabled()
