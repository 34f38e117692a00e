"""``lowerbound launch``: the command of torchrun that it prints and becomes, and what it refuses."""

from __future__ import annotations

import os
import shlex
import socket
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from typing import NoReturn

import pytest
from commands import complaint
from torch.distributed.run import parse_args

from lowerbound.interfaces.cli import launch, main
from lowerbound.interfaces.cli.parser import parse

TRAIN = ["train", "digits", "--epochs", "2"]


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of this machine at which somebody listens."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def command(*words: str) -> launch.Launch:
    return launch.command(parse(["launch", *words]))


@pytest.mark.parametrize("dashes", [["--"], []])
def test_it_prints_what_it_becomes_and_torchrun_understands_it(
    dashes: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    became: list[tuple[list[str], dict[str, str]]] = []

    def become(path: str, words: list[str], variables: dict[str, str]) -> NoReturn:
        became.append((words, variables))
        raise SystemExit

    monkeypatch.setattr(os, "execve", become)
    with pytest.raises(SystemExit):
        main(["launch", "--nnodes", "1:4", "--rdzv-endpoint", "localhost:29555", "--nproc-per-node", "2", *dashes, *TRAIN])
    (words, variables), printed = became[0], capsys.readouterr().err.strip()
    given, _, rest = printed.partition(" torchrun ")
    assert words == [sys.executable, "-m", "torch.distributed.run", *shlex.split(rest)]
    assert variables == os.environ | dict(word.split("=", 1) for word in given.split())
    found = parse_args(shlex.split(rest))
    assert (found.nnodes, found.nproc_per_node, found.rdzv_endpoint, found.rdzv_backend) == ("1:4", "2", "localhost:29555", "c10d")
    assert found.max_restarts == 10
    assert (found.module, [found.training_script, *found.training_script_args]) == (True, ["lowerbound", *TRAIN])


def test_processes_of_one_machine_meet_at_any_port_of_it() -> None:
    found = command("--nproc-per-node", "2", *TRAIN)
    assert "--rdzv-endpoint=localhost:0" in found.words
    assert "--local-addr=127.0.0.1" in found.words
    assert found.variables == {launch.STORE: "1"} | ({launch.INTERFACE: "lo"} if sys.platform.startswith("linux") else {})


def test_an_interface_that_was_chosen_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(launch.INTERFACE, "ib0")
    assert command(*TRAIN).variables == {launch.STORE: "1"}


def test_the_store_is_kept_by_the_host_unless_somebody_does(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_host(port: int) -> str:
        return next(word for word in command("--rdzv-endpoint", f"localhost:{port}", *TRAIN).words if word.startswith("--rdzv-conf"))[-9:]

    assert "is_host" not in is_host(taken), "torchrun knows it of a machine's own processes"
    monkeypatch.setattr(launch, "ip_address", lambda _: ip_address("10.0.0.1"))
    assert is_host(taken) == "is_host=0"
    assert is_host(0) == "is_host=1"


def test_json_is_for_the_verb() -> None:
    assert command("--json", *TRAIN).words[-len(TRAIN) - 1 :] == [*TRAIN, "--json"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "what is launched is train or resume"),
        (["--", "sample", "runs/m", "-o", "s.png"], "what is launched is train or resume"),
        (["--", *TRAIN, "--epoch", "2"], "unknown option '--epoch' of train"),
        (["--", *TRAIN, "--overwrite"], "--overwrite would replace the run at each"),
        (["--nnodes", "4:1", *TRAIN], "--nnodes is a number of machines"),
        (["--nnodes", "0", *TRAIN], "--nnodes is a number of machines"),
        (["--nnodes", "two", *TRAIN], "--nnodes is a number of machines"),
        (["--nnodes", "2", *TRAIN], "give all the same --rdzv-endpoint"),
        (["--nproc-per-node", "many", *TRAIN], "--nproc-per-node is a number"),
        (["--max-restarts", "0", *TRAIN], "must be at least 1"),
        (["--nods", "2", *TRAIN], "unknown option '--nods' of launch; did you mean '--nnodes'?"),
        (["--rdzv-endpoint", "host:port", *TRAIN], "--rdzv-endpoint is HOST:PORT"),
        (["--rdzv-endpoint", "host:99999", *TRAIN], "--rdzv-endpoint is HOST:PORT"),
        (["--rdzv-endpoint", "no-such-machine.invalid", *TRAIN], "there is no machine 'no-such-machine.invalid'"),
        (["--store-only"], "--store-only takes --rdzv-endpoint"),
        (["--store-only", "--rdzv-endpoint", "localhost", *TRAIN], "--store-only takes --rdzv-endpoint"),
    ],
)
def test_wrong_words_are_one_line(words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(launch, "NAMED_WITHIN", 0)
    assert said in complaint(capsys, "launch", *words)


def test_a_store_at_a_port_that_is_taken_is_refused(taken: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert "choose another port" in complaint(capsys, "launch", "--store-only", "--rdzv-endpoint", f"localhost:{taken}")
