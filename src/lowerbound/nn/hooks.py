"""Whether somebody looks at what modules do: where somebody does, each is called as it stands."""

from __future__ import annotations

import torch
from torch import nn
from torch.autograd import forward_ad
from torch.nn.modules import module as modules

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
GLOBAL_HOOKS = tuple(f"_global{name}" for name in HOOKS)  # torch 2.6 has no function that looks at all of them

#: whose modules keep nothing in themselves while they are called
LIBRARIES = ("torch", "lowerbound")


def any_hook(module: nn.Module) -> bool:
    """Whether a module has hooks of its own."""
    own = vars(module)
    return any(own[name] for name in HOOKS)


def any_global_hook() -> bool:
    """Whether there are hooks on all modules of torch."""
    return any(getattr(modules, name) for name in GLOBAL_HOOKS)


def is_watched() -> bool:
    """Whether somebody looks at what torch's functions do in this thread: a transform, a tracer, a compiler, a mode of dispatch."""
    if torch.compiler.is_compiling():  # first: a compiler cannot follow what comes after
        return True
    transformed = torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0
    return bool(transformed or torch._C._len_torch_dispatch_stack() or torch._C._get_tracing_state())


def any_mode() -> bool:
    """Whether something is on in this thread that another would not have: a watcher, a mode of functions, autocast, inference."""
    modes = torch._C._len_torch_function_stack() or torch.is_autocast_enabled("cpu") or torch.is_inference_mode_enabled()
    return bool(is_watched() or modes)


def are_of_libraries(*networks: nn.Module) -> bool:
    """Whether every module is torch's or of this package, and nobody looks: others may keep in themselves what a call left there."""
    modules = [module for network in networks for module in network.modules()]
    known = all(type(module).__module__.partition(".")[0] in LIBRARIES for module in modules)
    return known and not any_global_hook() and not any(map(any_hook, modules))
