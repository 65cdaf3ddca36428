"""``python -m deploy.sandbox`` as a person meets it."""

import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from deploy.sandbox.__main__ import main
from deploy.sandbox.sockets import listen
from tests.waiting import PATIENCE

COMMAND = [sys.executable, "-m", "deploy.sandbox"]
ANY = ["--sites-port", "0", "--providers-port", "0", "--inbox-port", "0"]


@contextmanager
def started(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start it and give the process with what it printed, once the inbox's address is there."""
    process = subprocess.Popen(
        [*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        yield process, _printed(process)
    finally:
        process.kill()
        process.communicate()


def _printed(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    printed = ""
    while "What was sent" not in printed:
        line = process.stdout.readline()
        assert line, f"it ended after {printed!r}"
        printed += line
    return printed


@pytest.mark.processes
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_its_addresses_and_ends_cleanly_on_a_signal(number: signal.Signals) -> None:
    with started(*ANY) as (process, printed):
        for address in re.findall(r"http://\S+(?:/booking/create/\d+|/(?=\n))", printed):
            assert urllib.request.urlopen(address, timeout=60).status == 200
        assert len(re.findall(r"/booking/create/\d+", printed)) == 11
        process.send_signal(number)
        rest, errors = process.communicate(timeout=PATIENCE)
        assert (process.returncode, rest, errors) == (0, "", "")


@pytest.mark.processes
def test_the_world_can_begin_elsewhere() -> None:
    with started(*ANY, "--seed", "3", "--first-form", "990078") as (process, printed):
        assert "127.77.0.78" in printed
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.mark.parametrize(
    ("option", "host"),
    [("--sites-port", "127.77.0.78"), ("--providers-port", "127.78.0.2"), ("--inbox-port", "127.0.0.1")],
)
def test_a_taken_port_is_one_clear_line(capsys: pytest.CaptureFixture[str], option: str, host: str) -> None:
    (holder,) = listen([host], 0, "--x")
    port = holder.getsockname()[1]
    options = [*ANY]
    options[options.index(option) + 1] = str(port)
    assert main(options) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        f"{host}:{port} is taken: stop what listens there or choose another port with {option} PORT\n"
    )
    holder.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--sites-port", "many"], "a port is a number from 0 to 65535, not 'many'"),
        (["--inbox-port", "65536"], "a port is a number from 0 to 65535, not '65536'"),
        (["--inbox-port", "-1"], "a port is a number"),
        (["--seed", "x"], "--seed"),
        (["--moon"], "--moon"),
    ],
)
def test_wrong_options_are_refused(
    capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(options)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_an_unknown_first_form_names_those_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ANY, "--first-form", "7"]) == 2
    assert "no form 7 in the sandbox; those that exist: 990075, " in capsys.readouterr().err
