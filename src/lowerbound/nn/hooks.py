"""Whether somebody looks at what modules do: where somebody does, each is called as it stands."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules import module as modules

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
GLOBAL_HOOKS = tuple(f"_global{name}" for name in HOOKS)  # torch 2.6 has no function that looks at all of them


def any_hook(module: nn.Module) -> bool:
    """Whether a module has hooks of its own."""
    own = vars(module)
    return any(own[name] for name in HOOKS)


def any_global_hook() -> bool:
    """Whether there are hooks on all modules of torch."""
    return any(getattr(modules, name) for name in GLOBAL_HOOKS)


def any_mode() -> bool:
    """Whether somebody looks at, or changes, what torch's functions do in this thread: a transform, a tracer, a mode, or autocast."""
    transformed = torch._C._are_functorch_transforms_active() or torch._C._get_tracing_state() is not None
    modes = torch._C._len_torch_dispatch_stack() or torch._C._len_torch_function_stack()
    return bool(transformed or modes or torch.is_autocast_enabled("cpu") or torch.is_inference_mode_enabled())
