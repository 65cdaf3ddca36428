"""A second machine: a network of its own, joined to ours by a pair of virtual cards, with the programs that run there.

`deploy/compose/second-machine.yaml` has the same programs in containers. Linux, root, and iproute2 make it.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from deploy.local.processes import start, stop, wait_until, with_parent
from deploy.local.programs import build_environment, commands, database_programs
from deploy.local.stack import Stack
from deploy.sandbox.addresses import PUSH, SENDGRID, SMTP, STRIPE, TELEGRAM, TWILIO, TWILIO_CALLS
from deploy.sandbox.platforms import stand_ins
from tests.waiting import until
from tests.whole.relays import Place

FIRST, SECOND = "10.99.0.1", "10.99.0.2"
_CARDS = ("rdv-first", "rdv-second")
_PORT = 30000  # from here on the first machine's servers are reached
_PROGRAMS = ("scrapyd", "notifier")  # as second-machine.yaml has; proofs wait for no one here
_PROVIDERS = (SENDGRID, SMTP, TWILIO, TWILIO_CALLS, TELEGRAM, PUSH, STRIPE)


def why_not() -> str:
    """Return what is missing to make one; "" where nothing is."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "a second network needs Linux and root"
    missing = [each for each in ("ip", "nsenter", "unshare") if not shutil.which(each)]
    return f"not installed: {', '.join(missing)}" if missing else ""


class SecondMachine:
    """Programs in a network of their own, which reach the servers of `stack` by a cable."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self._stack, self._folder = stack, folder
        self._anchor = subprocess.Popen(with_parent(["unshare", "--net", "--", "sleep", "infinity"]))
        until(lambda: _network(self._anchor.pid) != _network(os.getpid()))
        self._lay_cable()
        places = list(enumerate(_list_servers(stack), _PORT))
        door = stack.ports.scrapyd
        self._relays = [
            self._relay("first", [((FIRST, port), place) for port, place in places]),
            self._relay(
                "second",
                [
                    *((place, (FIRST, port)) for port, place in places),
                    ((SECOND, door), ("127.0.0.1", door)),
                ],
                inside=True,
            ),
        ]
        self._programs: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start its programs."""
        for name in _PROGRAMS:
            program = database_programs()[name]
            own = build_environment(program, self._stack.queue[program])
            state = {"STATE_DIR": str(self._folder / "state")}
            command = self._inside(commands(self._stack.ports)[name])
            log = self._folder / f"{name}.log"
            self._programs.append(start(command, log, env=self._stack.environment | own | state))

    def kill(self) -> None:
        """Pull the cable, then kill all processes of the machine at once: no connection is closed."""
        _run("ip", "link", "set", _CARDS[0], "down")
        for each in self.list_processes():
            with suppress(psutil.NoSuchProcess):
                each.kill()
        for program in self._programs:
            program.wait()
        self._programs.clear()

    def mend_cable(self) -> None:
        """Plug the cable in again."""
        _run("ip", "link", "set", _CARDS[0], "up")

    def list_processes(self) -> list[psutil.Process]:
        """Return all its processes but the relays."""
        network, ours = _network(self._anchor.pid), {each.pid for each in (*self._relays, self._anchor)}
        return [
            each for each in psutil.process_iter() if each.pid not in ours and _network(each.pid) == network
        ]

    def close(self) -> None:
        """End everything; the cable goes with the network."""
        for each in self.list_processes():
            with suppress(psutil.NoSuchProcess):
                each.kill()
        for process in (*self._programs, *self._relays, self._anchor):
            stop(process)

    def _lay_cable(self) -> None:
        first, second = _CARDS
        inside = str(self._anchor.pid)
        _run("ip", "link", "add", first, "type", "veth", "peer", "name", second, "netns", inside)
        for address, card, where in ((FIRST, first, []), (SECOND, second, self._inside([]))):
            _run(*where, "ip", "address", "add", f"{address}/30", "dev", card)
            _run(*where, "ip", "link", "set", card, "up")
        _run(*self._inside(["ip", "link", "set", "lo", "up"]))

    def _inside(self, command: list[str]) -> list[str]:
        return ["nsenter", f"--net=/proc/{self._anchor.pid}/ns/net", *command]

    def _relay(
        self, name: str, pairs: list[tuple[Place, Place]], *, inside: bool = False
    ) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.whole.relays", json.dumps(pairs)]
        log = self._folder / f"relay-{name}.log"
        process = start(with_parent(self._inside(command) if inside else command), log)
        wait_until(
            lambda: "ready" in log.read_text(), log, what=f"relay of the {name} machine", process=process
        )
        return process


@contextmanager
def joined(stack: Stack, folder: Path) -> Iterator[SecondMachine]:
    """Give a second machine beside the stack while the block lasts, with its programs at work."""
    folder.mkdir(exist_ok=True)
    made = SecondMachine(stack, folder)
    try:
        made.start()
        yield made
    finally:
        made.close()


def _list_servers(stack: Stack) -> list[Place]:
    """Return where the first machine listens on its loopback: servers, sites and providers."""
    ports = [each.server.port for each in stack.servers]
    sites = [(site.host, stack.ports.sites) for _, site in stand_ins().values()]
    return [
        *(("127.0.0.1", port) for port in ports),
        *dict.fromkeys(sites),
        *((each, stack.ports.providers) for each in dict.fromkeys(_PROVIDERS)),
    ]


def _network(pid: int) -> str:
    with suppress(OSError):
        return str(Path(f"/proc/{pid}/ns/net").readlink())
    return ""


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
