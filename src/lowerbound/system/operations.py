"""Operations that some device does faster than torch's lines do: registered with torch, so that whoever calls them asks nothing.

``@operation("name(Tensor x) -> Tensor")`` makes ``torch.ops.lowerbound.name`` of a function, whose lines are what every device runs. On the
CPU a compiled loop of the same name does them, where there is one and it can read the tensors. A device's own version is one more
registration: ``LIBRARY.impl("name", function, "CUDA")``. A graph that is to run without this package has torch's own operations in the
place of each: the lines, or those of ``in_graphs`` where some look at values or write into memory.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch

from lowerbound.system.devices import loops

P = ParamSpec("P")
R = TypeVar("R")
LIBRARY = torch.library.Library("lowerbound", "FRAGMENT")
#: by the name of an operation what a graph has in its place, where that is not its lines
GRAPHS: dict[str, Callable[..., Any]] = {}
ANYWHERE = "CompositeExplicitAutograd"
#: how many of torch's modes look at each operation, as those that trace a model do
watched: Callable[[], int] = torch._C._len_torch_dispatch_stack


def operation(schema: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator: the function becomes an operation of this name and these types; ``Tensor(a!)`` is one that it changes."""
    name = schema.partition("(")[0]

    def register(function: Callable[P, R]) -> Callable[P, R]:
        """The operation that does what the function does, called like it."""
        lines: Callable[..., Any] = inspect.unwrap(function)

        def by_loop(*given: Any) -> Any:
            compiled = loops()
            return NotImplemented if compiled is None else getattr(compiled, name)(*given)

        def on_cpu(*given: Any) -> Any:
            found = by_loop(*given)
            return lines(*given) if found is NotImplemented else found

        LIBRARY.define(schema)
        LIBRARY.impl(name, lines, ANYWHERE)
        LIBRARY.impl(name, on_cpu, "CPU")
        done: Callable[..., Any] = getattr(torch.ops.lowerbound, name).default

        @wraps(function)
        def call(*given: P.args, **named: P.kwargs) -> R:
            # torch would choose the same in 3 µs more, of which a step has some fifteen; a mode wants to see the operation
            if watched() and is_written():
                return GRAPHS.get(name, lines)(*given, **named)
            found = NotImplemented if named or watched() else by_loop(*given)
            return done(*given, **named) if found is NotImplemented else found

        return call

    return register


def in_graphs(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator: graphs have the operations of this function in the place of ``name``."""

    def put(function: Callable[P, R]) -> Callable[P, R]:
        GRAPHS[name] = inspect.unwrap(function)
        return function

    return put


def is_written() -> bool:
    """Whether torch.export looks at what is done, to write it as a graph: values are not there to be looked at."""
    return torch.compiler.is_compiling() and not torch.compiler.is_dynamo_compiling()
