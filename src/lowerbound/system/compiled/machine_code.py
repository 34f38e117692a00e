"""Loops as machine code, one object of several, made of what numba compiled: whoever has it does without numba and its imports."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import llvmlite.binding as llvm

#: functions of numba's and Python's that its way of reporting an exception calls; no loop raises one
ERRORS = ("numba_", "NRT_", "Py")


def emitted(each: Mapping[str, tuple[str, str]]) -> bytes:
    """One object of several functions, each under its name: the assembly of LLVM that it is in, and what it is called there."""
    _begin()
    modules = []
    for name, (assembly, called) in each.items():
        modules.append(llvm.parse_assembly(assembly))
        modules[-1].get_function(called).name = name
    whole, *others = modules
    for module in others:
        whole.link_in(module)
    whole.link_in(_trapped(whole))
    return bytes(_machine(whole.triple).emit_object(whole))


def addresses(code: bytes, names: list[str]) -> tuple[dict[str, int], Any]:
    """Where an object's functions are, and what is to be kept as long as they may be called."""
    _begin()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine(llvm.get_process_triple()))
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return {name: engine.get_function_address(name) for name in names}, engine


def processor() -> tuple[str, str]:
    """The kind of processor that machine code is for, and what it can do: this one, or what the environment gives numba."""
    name = os.environ.get("NUMBA_CPU_NAME") or llvm.get_host_cpu_name()
    usual = "" if name == "generic" else llvm.get_host_cpu_features().flatten()
    return name, os.environ.get("NUMBA_CPU_FEATURES", usual)


def _begin() -> None:
    """Initialise what LLVM needs for this processor; again costs nothing."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


def _machine(triple: str) -> Any:
    """As numba has it."""
    name, features = processor()
    how: dict[str, Any] = {"opt": 3, "reloc": "default", "codemodel": "jitdefault", "jit": True}
    return llvm.Target.from_triple(triple).create_target_machine(cpu=name, features=features, **how)


def _trapped(module: Any) -> Any:
    """Definitions of ``ERRORS``, which would stop the process: nothing of numba's or Python's has to be there."""
    missing = [function.name for function in module.functions if function.is_declaration and function.name.startswith(ERRORS)]
    missing_objects = [one.name for one in module.global_variables if one.is_declaration and one.name.startswith(ERRORS)]
    lines = [f'define void @"{name}"() {{\n  call void @llvm.trap()\n  unreachable\n}}' for name in missing]
    lines += [f'@"{name}" = global i64 0' for name in missing_objects]
    return llvm.parse_assembly("\n".join([f'target triple = "{module.triple}"', "declare void @llvm.trap()", *lines]))
