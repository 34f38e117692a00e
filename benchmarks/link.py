"""Machines on one machine, with a slow network between them: network namespaces, and a link that delivers each packet some time later.

Linux's own delay, ``netem``, is not in every kernel; here a process reads the packets of all namespaces from their TUN devices and writes
each to that of its destination when its time has come. It wants root, ``ip`` and ``/dev/net/tun``.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context

TUN, WITHOUT_HEADER, SET = 0x1, 0x1000, 0x400454CA  # <linux/if_tun.h>
LONGEST = 60_000  # bytes of a packet: the fewer there are, the less the relay is in the way
NETWORK = "10.77.0."
IP = "/usr/sbin/ip"


def address(node: int) -> str:
    """That of a node, counted from 0."""
    return f"{NETWORK}{node + 1}"


def inside(node: int, command: list[str]) -> list[str]:
    """The command, run on a node."""
    return [IP, "netns", "exec", _name(node), *command]


def device(node: int) -> str:
    """The name of a node's network device."""
    return f"lbtun{node}"


@contextmanager
def nodes(number: int, delay: float = 0.0) -> Iterator[None]:
    """Within the block there are so many nodes; a packet from one to another takes ``delay`` seconds. Errors: CalledProcessError."""
    tunnels = [_tunnel(node) for node in range(number)]
    relay = get_context("fork").Process(target=_relay, args=(tunnels, delay), daemon=True)
    relay.start()
    try:
        yield
    finally:
        relay.kill()
        relay.join()
        for node, tunnel in enumerate(tunnels):
            os.close(tunnel)
            _ip("netns", "del", _name(node))


def _name(node: int) -> str:
    return f"lowerbound-link-{node}"


def _ip(*words: str) -> None:
    subprocess.run([IP, *words], check=True)


def _tunnel(node: int) -> int:
    """A namespace with its device, and the file by which the device's packets come and go."""
    file = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(file, SET, struct.pack("16sH", device(node).encode(), TUN | WITHOUT_HEADER))
    os.set_blocking(file, False)
    _ip("netns", "add", _name(node))
    _ip("link", "set", device(node), "netns", _name(node))
    for words in (
        ("addr", "add", f"{address(node)}/24", "dev", device(node)),
        ("link", "set", device(node), "mtu", str(LONGEST), "up"),
        ("link", "set", "lo", "up"),
    ):
        _ip("-n", _name(node), *words)
    return file


def _relay(tunnels: list[int], delay: float) -> None:
    """Read packets as they come, write each when its time has come; the last byte of an address says whose it is."""
    waiting: deque[tuple[float, int, bytes]] = deque()
    while True:
        wait = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for file in select.select(tunnels, [], [], wait)[0]:
            packet = os.read(file, LONGEST + 100)
            node = packet[19] - 1
            if packet[0] >> 4 == 4 and node < len(tunnels):
                waiting.append((time.monotonic() + delay, tunnels[node], packet))
        while waiting and waiting[0][0] <= time.monotonic():
            _, target, packet = waiting.popleft()
            with suppress(OSError):  # a full queue drops it, as a network would, and TCP sends it again
                os.write(target, packet)
