"""The ground of a release: servers, stand-ins, nginx, the programs of two versions, and the steps between them."""

import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from deploy.backup.encryption import make_key
from deploy.chaos.periods import CAPS, hasty
from deploy.chaos.sandbox_control import OPENED
from deploy.local.environment import write_desk_files
from deploy.local.ports import StackPorts, choose, usual
from deploy.local.postgres import start_postgres
from deploy.local.processes import StartFailed, answers, free_port
from deploy.local.valkey import start_valkey
from deploy.release.accounts import Step
from deploy.release.front import ReleaseFront
from deploy.release.programs import ProgramSet, ReleasePrograms, describe
from deploy.release.versions import Version
from deploy.sample_desk_files import only
from deploy.sandbox import addresses

DATABASE = "rdvpriority"
# One after the other, each stopped before the new one starts: what they do waits in tables and in Redis meanwhile.
# The keeper before scrapyd, so that it does not miss spiders that end with it.
_REPLACED = ("background", "notifier", "planner", "proofs")
_NODE = ("keeper", "scrapyd")
# As in production, except for hourly caps, which hold messages back on purpose, and what makes each sign-in slow.
_VARIABLES = {
    **{f"{channel.upper()}_PER_HOUR": str(cap) for channel, cap in CAPS.items()},
    "USER_PER_HOUR": str(sum(CAPS.values())),
    "ACCESS_TOKEN_SECONDS": "86400",
    "BCRYPT_COST": "4",
    "BACKUP_WAL_SECONDS": "1",
    "BACKUP_LOOK_SECONDS": "1",
    "DISCOVERY_PROCESSES": "0",
    "PROXY_HOPS": "1",
}


@dataclass
class ReleaseStage:
    """Everything that runs. `places`: the ports of the two APIs, of which one stands beside the other in a release."""

    state: Path
    ports: StackPorts  # `api` is nginx's port without TLS
    old: ProgramSet
    new: ProgramSet
    running: ReleasePrograms
    front: ReleaseFront
    places: Mapping[str, int]
    database_url: str
    steps: list[Step] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)  # promises of steps that were not kept

    @contextmanager
    def step(self, name: str) -> Iterator[Callable[[str], None]]:
        """Time a step and print it; the function that is given notes what it said."""
        began, notes = time.monotonic(), list[str]()
        try:
            yield notes.append
        finally:
            step = Step(name, began, time.monotonic() - began, "; ".join(notes))
            self.steps.append(step)
            print(f"  {step.seconds:6.1f} s  {name}{f': {step.note}' if step.note else ''}", flush=True)

    def start_api(self, place: str, programs: ProgramSet) -> None:
        """Start an API and wait until it answers.

        Raises:
            deploy.local.processes.StartFailed: it does not.
        """
        port = self.places[place]
        self.running.start(place, programs, bind=port)
        self.running.wait(place, lambda: answers_well(port))

    def replace_api(self, programs: ProgramSet) -> None:
        """Put another API in the place of the one that serves; at each moment one answers."""
        with self.step("the new API starts beside the old"):
            self.start_api("api-next", programs)
        with self.step("nginx leads to it, the old one has answered all it got"):
            self.front.lead_to(self.places["api-next"])
        with self.step("the API is replaced in its own place"):
            self.running.stop("api")
            self.start_api("api", programs)
        with self.step("nginx leads back, the one beside it ends"):
            self.front.lead_to(self.places["api"])
            self.running.stop("api-next")

    def replace_others(self, programs: ProgramSet) -> None:
        """Stop and start every other program, one after the other."""
        for name in _REPLACED:
            with self.step(f"{name} is replaced"):
                self.running.stop(name)
                self.running.start(name, programs)
        with self.step("keeper and scrapyd, with its spiders, are replaced"):
            for name in _NODE:
                self.running.stop(name)
            for name in reversed(_NODE):
                self.running.start(name, programs)
        with self.step("backup is replaced"):
            self.running.stop("backup")
            self.running.start("backup", programs)


def answers_well(port: int) -> bool:
    """Whether an API on this port says that it is alive."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health/live", timeout=3) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def staged(folder: Path, old: Version, new: Version) -> Iterator[ReleaseStage]:
    """Start servers, stand-ins, nginx and the older version's programs; end everything afterwards.

    Raises:
        deploy.local.processes.StartFailed: a program did not come up.
        deploy.release.front.NginxMissing: there is no nginx.
    """
    state = folder / "state"
    ports = choose(usual(any_port=True))
    with ExitStack() as ends:
        postgres = start_postgres(state / "postgres")
        ends.callback(postgres.stop)
        valkey = start_valkey(state / "redis")
        ends.callback(valkey.stop)
        postgres.create(DATABASE)
        given = {
            "state": str(state), "ports": asdict(ports),
            "database_url": postgres.url(DATABASE), "redis_url": valkey.url(),
        }  # fmt: skip
        variables = _VARIABLES | _make_backup_variables(folder)
        before = _describe(old, given, variables, folder / "desks-old")
        _migrate(before)
        after = _describe(new, given, variables, folder / "desks-new")
        programs = ReleasePrograms(folder / "logs")
        places = {"api": free_port(), "api-next": free_port()}
        front = ReleaseFront(folder / "nginx", free_port(), ports.api, places["api"])
        ends.enter_context(front.running())
        ends.enter_context(programs.looking_after())
        stage = ReleaseStage(state, ports, before, after, programs, front, places, postgres.url(DATABASE))
        _start_all(stage)
        yield stage


def _describe(
    version: Version, given: Mapping[str, Any], variables: Mapping[str, str], desks: Path
) -> ProgramSet:
    """Describe a version's programs, with its own desk files: those that slots can be opened at, checked often."""
    moved = partial(_edit, f":{addresses.SITES_PORT}", f":{given['ports']['sites']}")
    write_desk_files(version.tree / "deploy" / "sandbox" / "prefectures", desks, moved)
    base = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TEST_", "COVERAGE_PROCESS"))
    }
    return describe(version, given, base, {**variables, "PREFECTURES_DIR": str(desks)})


def _edit(usual_port: str, port: str, text: str) -> str:
    return only(OPENED, hasty(text.replace(usual_port, port)))


def _make_backup_variables(folder: Path) -> dict[str, str]:
    return {"BACKUP_URL": str(folder / "backups"), "BACKUP_RECIPIENTS": make_key()[1]}


def _migrate(programs: ProgramSet) -> None:
    done = programs.run(*programs.migrate)  # tables that are empty need no dump
    if done.returncode:
        raise StartFailed(f"the tables of {programs.version.name} cannot be made:\n{done.stderr[-1500:]}")


def _start_all(stage: ReleaseStage) -> None:
    stage.running.start("sandbox", stage.new)
    stage.running.wait("sandbox", lambda: answers(addresses.INBOX, stage.ports.inbox))
    stage.start_api("api", stage.old)
    for name in ("backup", "scrapyd", "keeper", *reversed(_REPLACED)):
        stage.running.start(name, stage.old)
