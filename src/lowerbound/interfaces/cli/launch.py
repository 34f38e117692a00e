"""``lowerbound launch``: one command of ``torchrun`` for each machine of a training, set so that machines may die and come.

It prints the command, and becomes it. What torchrun has to be given for that, each as its source in PyTorch 2.13 says:

- ``--max-restarts``: with its own, 0, nothing is started again.
- ``TORCH_DISABLE_SHARE_RDZV_TCP_STORE``: else the store in which processes find one another has still the words of dead ones.
- ``is_host`` and ``--local-addr``: it looks up the machine's name, which often is no address that others reach.
- ``GLOO_SOCKET_IFNAME``: so does gloo.
- ``join_timeout``: a machine waits an hour for as many as are needed, in place of ten minutes.
- ``last_call_timeout``: once those are there, it waits five seconds for more, in place of thirty; who comes later is let in all the same.

Nothing here imports torch but where the store is kept.
"""

from __future__ import annotations

import os
import re
import shlex
import socket
import struct
import sys
import threading
import time
from argparse import Namespace
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import NoReturn

from lowerbound.errors import UsageError
from lowerbound.interfaces.cli import parser

LAUNCHED = ("train", "resume")  # verbs that several processes share
COUNTED = ("auto", "cpu", "gpu")  # numbers of processes that torchrun finds itself
PORT = 29400  # torchrun's own
ALONE = "localhost:0"  # where the processes of a single machine meet, at any port
NAMED_WITHIN = 60  # seconds that the name of a machine that is just starting may take
WAITS = {"join_timeout": 3600, "last_call_timeout": 5}
STORE = "TORCH_DISABLE_SHARE_RDZV_TCP_STORE"
INTERFACE = "GLOO_SOCKET_IFNAME"
SIOCGIFADDR = 0x8915  # asks Linux for the address of an interface


@dataclass(frozen=True)
class Launch:
    """A command of torchrun: its words, and the variables that are set for it."""

    words: list[str]
    variables: dict[str, str]

    def __str__(self) -> str:
        return shlex.join([*(f"{name}={value}" for name, value in self.variables.items()), "torchrun", *self.words])


def launch(args: Namespace) -> NoReturn:
    """Become torchrun, or keep the store. Errors: UsageError for words that torchrun, or the verb, would not understand."""
    if args.store_only:
        _keep_store(args)
    found = command(args)
    print(found, file=sys.stderr, flush=True)
    os.execve(sys.executable, [sys.executable, "-m", "torch.distributed.run", *found.words], os.environ | found.variables)  # noqa: S606


def command(args: Namespace) -> Launch:
    """The command of this machine. Errors: UsageError."""
    words, most = _verb(args), _most(args.nnodes)
    if args.nproc_per_node not in COUNTED and not re.fullmatch("[1-9][0-9]{0,4}", args.nproc_per_node):
        raise UsageError(f"--nproc-per-node is a number of processes, or one of {', '.join(COUNTED)}, not '{args.nproc_per_node}'")
    if args.rdzv_endpoint is None and most > 1:
        raise UsageError("machines meet at one of them: give all the same --rdzv-endpoint HOST:PORT")
    host, port = _endpoint(args.rdzv_endpoint or ALONE)
    own, is_host = _addresses(host, port)
    settings = WAITS | ({} if is_host is None else {"is_host": int(is_host)})
    options = {
        "nnodes": args.nnodes,
        "nproc-per-node": args.nproc_per_node,
        "max-restarts": args.max_restarts,
        "rdzv-backend": "c10d",
        "rdzv-endpoint": f"{host}:{port}",
        "rdzv-id": args.rdzv_id,
        "rdzv-conf": ",".join(f"{name}={value}" for name, value in settings.items()),
        "local-addr": own,
    }
    variables = {STORE: "1"}
    if INTERFACE not in os.environ and (name := _interface(own)) is not None:
        variables[INTERFACE] = name
    return Launch([*(f"--{name}={value}" for name, value in options.items()), "-m", "lowerbound", *words], variables)


def _verb(args: Namespace) -> list[str]:
    """The words of the verb that all processes run. Errors: UsageError, as the verb itself would raise it."""
    words: list[str] = args.words[args.words[:1] == ["--"] :]
    if words[:1] not in [[name] for name in LAUNCHED]:
        raise UsageError(f"what is launched is {' or '.join(LAUNCHED)}: lowerbound launch --nproc-per-node 2 -- train mnist --out runs/m")
    words += ["--json"] if args.json and "--json" not in words else []
    if getattr(parser.parse(words), "overwrite", False):
        raise UsageError("with restarts --overwrite would replace the run at each; leave it out, and remove the folder before if need be")
    return words


def _most(nodes: str) -> int:
    """The most machines of ``2`` or ``1:4``. Errors: UsageError."""
    found = re.fullmatch("([0-9]{1,5})(?::([0-9]{1,5}))?", nodes)
    least, most = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= least <= most:
        raise UsageError(f"--nnodes is a number of machines, 2, or the fewest and the most, 1:4, not '{nodes}'")
    return most


def _endpoint(text: str) -> tuple[str, int]:
    """Host and port. Errors: UsageError."""
    host, _, port = text.partition(":")
    if not re.fullmatch(r"[\w.-]+", host) or not re.fullmatch("[0-9]{0,5}", port) or int(port or 0) >= 2**16:
        raise UsageError(f"--rdzv-endpoint is HOST:PORT, as node1:29400, not '{text}'")
    return host, int(port or PORT)


def _addresses(host: str, port: int) -> tuple[str, bool | None]:
    """The address of this machine on the way to ``host``, and whether the store is to be kept here: if it is the host, by nobody else yet.

    That is None for what never leaves a machine: there torchrun knows it, and lets the first of several keep it.
    Errors: UsageError for a host that has no address.
    """
    there = _address(host)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((there, port or PORT))  # nothing is sent
        except OSError as error:
            raise UsageError(f"no way leads to {host} ({there}); look at --rdzv-endpoint and this machine's network") from error
        own = probe.getsockname()[0]
    return own, None if ip_address(there).is_loopback else own == there and _is_free(own, port)


def _address(host: str) -> str:
    until = time.monotonic() + NAMED_WITHIN
    while True:
        try:
            return str(socket.getaddrinfo(host, None, socket.AF_INET)[0][4][0])
        except OSError as error:
            if time.monotonic() >= until:
                raise UsageError(f"there is no machine '{host}'; look at --rdzv-endpoint") from error
            time.sleep(1)


def _is_free(address: str, port: int) -> bool:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the store itself does after one that has just ended
        try:
            trial.bind((address, port))
        except OSError:
            return False
    return True


def _interface(address: str) -> str | None:
    """The name of the network interface that has an address; None where Linux does not say it."""
    if not sys.platform.startswith("linux"):
        return None
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            with suppress(OSError):  # of one that has no address
                found = fcntl.ioctl(probe.fileno(), SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
                if socket.inet_ntoa(found[20:24]) == address:
                    return name
    return None


def _keep_store(args: Namespace) -> NoReturn:
    """Keep the store in which machines meet until a signal ends it. Errors: UsageError for a port that is taken."""
    if args.words or args.rdzv_endpoint is None:
        raise UsageError("--store-only takes --rdzv-endpoint HOST:PORT, the same as the machines that train, and no verb")
    from torch import distributed as dist

    host, port = _endpoint(args.rdzv_endpoint)
    try:
        store = dist.TCPStore(host, port, is_master=True, wait_for_workers=False)  # type: ignore[attr-defined]
    except (ValueError, RuntimeError) as error:
        raise UsageError(f"no store can be kept at {host}:{port} ({' '.join(str(error).split())[:60]}); choose another port") from error
    print(f"machines meet at {host}:{store.port}; ends with Ctrl-C", flush=True)
    while True:
        threading.Event().wait()
