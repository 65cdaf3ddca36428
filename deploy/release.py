"""`python3 deploy/release.py RELEASE`: replaces all programs by a release's, and goes back where one does not work.

Exit code 0: RELEASE runs. 1: it does not, and the release before runs again. 2: that one could not be put back whole.
With `--stack` it does so in a swarm, whose stack it makes, and begins it. It needs Python and Docker, with `--stack`
python3-yaml, because a server has nothing else. Its steps: docs/operations.md.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

PROJECT = "rdvpriority"  # of production.yaml; COMPOSE_PROJECT_NAME says another
_ROOT = Path(__file__).resolve().parents[1]
_PRODUCTION = "deploy/compose/production.yaml"
_APIS = ("api-1", "api-2")
# In the order in which they are replaced, all at once
_OTHERS = ("stream", "background", "notifier", "planner", "scrapyd", "proofs", "backup")
_WAIT_SECONDS = 120
_SETTLE_SECONDS = 900  # in a stack: one task is replaced after another, a migration waits for its locks
_TAKE_SECONDS = (
    120  # until a machine starts a task that it was given: one with a full disk never does, and says nothing
)
_UNTAKEN = ("pending", "assigned", "accepted", "preparing")
_MARK = (
    "rdvpriority.mark"  # a label of each container in a stack, by which its tasks are known from those before
)
_RETRIES = 3  # of a job, as compose's
_LONGEST_SECONDS = 1800  # for one command
_LOOK_SECONDS = 10  # nginx looks for an API's new address each 3 s
# A container whose secrets alone changed is replaced, too
_UP = ("up", "--detach", "--no-deps", "--no-build", "--force-recreate")
_NEVER = datetime.min.replace(tzinfo=UTC)
_CLOCKS_DIFFER = timedelta(seconds=5)  # between machines that keep their time
_LOAD_RIGHTS = (
    "cat > /tmp/rules && sh /etc/valkey/redis_users.sh /tmp/rules /tmp/users.acl &&"
    " REDISCLI_AUTH=$(cat /run/secrets/redis_password) valkey-cli -e acl load"
)


class StepFailed(Exception):
    """A step that the release does not get over; the text says which, and why."""


class Refused(StepFailed):
    """A stack that cannot be made, by which nothing is changed; the text says why."""


class Server(ABC):
    """The containers that serve, of the release that their settings name."""

    def __init__(self, settings: Path) -> None:
        self._settings = settings
        lines = settings.read_text("utf-8").splitlines()
        given = dict(line.split("=", 1) for line in lines if re.match(r"\w+=", line))
        self.running = given.get("RELEASE", "latest")
        named = {"SETTINGS_FILE": str(settings), "COMPOSE_FILE": _PRODUCTION}
        self.values = named | given | dict(os.environ)
        self.project = self.values.get("COMPOSE_PROJECT_NAME", PROJECT)

    def write_release(self, release: str) -> None:
        """Have the settings name a release, by which whatever starts later is of it."""
        text = re.sub(
            r"^RELEASE=.*$", f"RELEASE={release}", self._settings.read_text("utf-8"), flags=re.MULTILINE
        )
        half = self._settings.with_name(f".{self._settings.name}.new")
        half.touch(mode=0o600)
        half.write_text(text)
        half.replace(self._settings)

    @abstractmethod
    def migrate(self, release: str) -> None:
        """Bring the tables up to a release; raises StepFailed."""

    @abstractmethod
    def replace_all(self, release: str) -> None:
        """Replace all programs, one API after the other; raises StepFailed."""

    @abstractmethod
    def find(self, service: str) -> str:
        """Return the container of a service on this machine; raises StepFailed."""

    def load_rights(self) -> None:
        """Give Redis the rights of the programs to come; raises StepFailed."""
        rights = (_ROOT / "configs" / "ground" / "redis_users.acl").read_text("utf-8")
        run("docker", "exec", "--interactive", self.find("redis"), "sh", "-c", _LOAD_RIGHTS, given=rights)

    def await_reports(self) -> None:
        """Wait until /api/health says of every program that it has reported since now.

        Raises:
            StepFailed: one has not; the text names all that have not.
        """
        say("waiting for the report of every program …")
        begun, end = datetime.now(UTC), time.monotonic() + _WAIT_SECONDS
        while silent := self._find_silent(begun):
            if time.monotonic() > end:
                raise StepFailed(
                    f"not heard of for {_WAIT_SECONDS} s since their start: {', '.join(silent)}"
                    " (a machine whose clock is wrong is not heard of either)"
                )
            time.sleep(2)

    def _find_silent(self, begun: datetime) -> list[str]:
        """Return the programs without a report since; one of the future says nothing: a clock is wrong."""
        at, latest = self._read_reports(), datetime.now(UTC) + _CLOCKS_DIFFER
        return [name for name in _OTHERS if not begun <= at.get(name, _NEVER) <= latest]

    def _read_reports(self) -> dict[str, datetime]:
        """Return what the API says; nothing where it cannot say it now, because it is asked again."""
        url = f"http://{_APIS[0]}:4000/api/health"
        asked = ("docker", "exec", self.find("nginx"), "curl", "--silent", "--max-time", "10", url)
        try:
            told = json.loads(run(*asked))["reportedAt"]
        except (StepFailed, ValueError, KeyError):
            return {}
        return {name: datetime.fromisoformat(at) for name, at in told.items()}


class OneMachine(Server):
    """The containers of compose."""

    def migrate(self, release: str) -> None:
        """Run the migration."""
        self._compose(release, "run", "--rm", "-T", "--no-deps", "migrate")

    def replace_all(self, release: str) -> None:
        """Replace both APIs, one after the other, each until it is healthy, then all others."""
        wait = ("--wait", "--wait-timeout", str(_WAIT_SECONDS))
        for number, name in enumerate(_APIS):
            say(f"{name} of {release} …")
            self._compose(release, *_UP, *wait, name)
            time.sleep(0 if number else _LOOK_SECONDS)
        say(f"{', '.join(_OTHERS)} of {release} …")
        self._compose(release, *_UP, *_OTHERS)

    def find(self, service: str) -> str:
        """Return a service's container."""
        return self._compose("", "ps", "--quiet", service).strip()

    def _compose(self, release: str, *arguments: str) -> str:
        given = {"RELEASE": release} if release else {}
        files = {"COMPOSE_FILE": self.values["COMPOSE_FILE"]}
        return run("docker", "compose", "--env-file", str(self._settings), *arguments, **files, **given)


class Swarm(Server):
    """The stack of a swarm, deployed on its manager, which has the data."""

    def migrate(self, release: str) -> None:
        """Run the migration as a job, with what it waits for: the servers of data, and a dump by `backup`."""
        self._deploy(release, ("postgres", "redis", "backup", "migrate"))

    def replace_all(self, release: str) -> None:
        """Deploy all services; the swarm replaces each in its order."""
        self._deploy(release)

    def find(self, service: str) -> str:
        """Return a service's container on this node."""
        label = f"label=com.docker.swarm.service.name={self.project}_{service}"
        found = run("docker", "ps", "--quiet", "--filter", label, "--filter", "status=running").split()
        if not found:
            raise StepFailed(f"no container of {service} runs on this node: is it labelled data=1?")
        return found[0]

    def _deploy(self, release: str, names: Sequence[str] = ()) -> None:
        """Deploy the services of these names, or all but the migration, until they are settled."""
        stack = self.make_stack(release)
        wanted = names or [name for name in stack["services"] if name != "migrate"]
        services = stack["services"] = {name: stack["services"][name] for name in wanted}
        for name, service in services.items():
            again = str(time.time_ns()) if name == "migrate" else ""  # a job runs again where it has changed
            told = self._settings.read_text("utf-8") if "env_file" in service else ""
            text = f"{json.dumps(service)}{told}{again}"
            service["labels"] = {_MARK: hashlib.sha256(text.encode()).hexdigest()}
        self._create_secrets(stack["secrets"])
        say(f"{', '.join(wanted)} of {release} …")
        deploy = ("docker", "stack", "deploy", "--resolve-image", "never", "--compose-file", "-")
        run(*deploy, self.project, given=json.dumps(stack))
        marks = {f"{self.project}_{name}": service["labels"][_MARK] for name, service in services.items()}
        end, given = time.monotonic() + _SETTLE_SECONDS, dict[str, float]()
        while waits := _find_unsettled(marks, given):
            if time.monotonic() > end:
                raise StepFailed(
                    f"not whole after {_SETTLE_SECONDS} s: {', '.join(waits)}{_read_errors(waits)}"
                )
            time.sleep(2)

    def make_stack(self, release: str) -> dict[str, Any]:
        """Return the stack of a release; raises Refused where it cannot be made."""
        import yaml  # noqa: PLC0415 -- one machine does without
        from stack import StackRefused, make_stack  # type: ignore[import-not-found]  # noqa: PLC0415 -- as above, and no package on a server

        files = [
            yaml.safe_load((_ROOT / each).read_text("utf-8"))
            for each in self.values["COMPOSE_FILE"].split(":")
        ]
        labelled = run("docker", "node", "ls", "--filter", "node.label=browser=1", "--quiet").strip()
        values = self.values | {"RELEASE": release, "BROWSER_NODE": labelled}
        try:
            made: dict[str, Any] = make_stack(files, values, self._read_secrets())
        except StackRefused as error:
            raise Refused(str(error)) from None
        if "browser" not in made["services"]["proofs"]["image"]:
            say(
                "proofs have no pictures: they want PROOFS_URL as a store of objects, and a node labelled browser=1"
            )
        return made

    def _read_secrets(self) -> dict[str, bytes]:
        folder = Path(self.values.get("SECRETS", "/etc/rdvpriority/secrets"))
        return {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}

    def _create_secrets(self, names: Iterable[str]) -> None:
        """Create those that the swarm has not: a changed one has another name, an old one stays for going back."""
        there, texts = run("docker", "secret", "ls", "--format", "{{.Name}}").split(), self._read_secrets()
        for name in sorted(set(names) - set(there)):
            run("docker", "secret", "create", name, "-", given=texts[name.rpartition("_")[0]].decode())


def _find_unsettled(marks: Mapping[str, str], given: dict[str, float]) -> list[str]:
    """Return the services that do not run yet as these marks say; `given` keeps when each task was first seen.

    Raises:
        StepFailed: the swarm gave one up, or a machine does not take a task.
    """
    listed = run("docker", "service", "ps", "--quiet", "--no-trunc", *marks).split()
    try:
        tasks = json.loads(run("docker", "inspect", "--type", "task", *listed)) if listed else []
    except StepFailed:  # the swarm forgot an old one between the two questions
        return list(marks)
    services = {each["ID"]: each for each in json.loads(run("docker", "service", "inspect", *marks))}
    for each in tasks:
        since = time.monotonic() - given.setdefault(each["ID"], time.monotonic())
        is_wanted = each["DesiredState"] in ("running", "ready")
        if since > _TAKE_SECONDS and is_wanted and each["Status"]["State"] in _UNTAKEN:
            name = services[each["ServiceID"]]["Spec"]["Name"]
            raise StepFailed(f"{name} does not start: {_name_node(each)} takes no task: is its disk full?")
    ours = {key: [each for each in tasks if each["ServiceID"] == key] for key in services}
    return [each["Spec"]["Name"] for key, each in services.items() if not _is_settled(each, ours[key], marks)]


def _is_settled(service: dict[str, Any], tasks: Iterable[dict[str, Any]], marks: Mapping[str, str]) -> bool:
    """Say whether a service runs as its mark says, as often as it should, or a job has ended."""
    name, update = service["Spec"]["Name"], service.get("UpdateStatus", {}).get("State", "completed")
    new = [each for each in tasks if each["Spec"]["ContainerSpec"]["Labels"].get(_MARK) == marks[name]]
    states = Counter(each["Status"]["State"] for each in new)
    ended = states["failed"] + states["rejected"] if "JobStatus" in service else 0
    if update not in ("updating", "completed") or ended > _RETRIES:
        raise StepFailed(f"the swarm gave {name} up{_read_errors([name])}")
    if "JobStatus" in service:
        return states["complete"] > 0
    due = [each for each in tasks if each["DesiredState"] == "running"]
    well = [each for each in due if each in new and each["Status"]["State"] == "running"]
    return (
        update == "completed"
        and well == due
        and len(well) == service["Spec"]["Mode"]["Replicated"]["Replicas"]
    )


def _name_node(task: dict[str, Any]) -> str:
    node = task.get("NodeID")
    return (
        run("docker", "node", "inspect", "--format", "{{.Description.Hostname}}", node).strip()
        if node
        else "no machine"
    )


def _read_errors(services: Sequence[str]) -> str:
    """Return what the swarm says of tasks that failed."""
    template = "{{if .Error}}; {{.Name}} on {{.Node}}: {{.Error}}{{end}}"
    lines = run("docker", "service", "ps", "--no-trunc", "--format", template, *services).splitlines()
    return "".join(dict.fromkeys(lines))


def run(*command: str, given: str = "", **environment: str) -> str:
    """Run a command; return what it printed.

    Raises:
        StepFailed: it ended with another code than 0; the text has the end of its output.
    """
    try:
        done = subprocess.run(
            command, env=os.environ | environment, cwd=_ROOT, input=given, timeout=_LONGEST_SECONDS,
            capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise StepFailed(f"{' '.join(command[:6])} did not end within {_LONGEST_SECONDS} s") from None
    if done.returncode:
        raise StepFailed(f"{' '.join(command[:6])}: {(done.stdout + done.stderr).strip()[-1500:]}")
    return done.stdout


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def bring(server: Server, release: str) -> None:
    """Migrate, give Redis its rights, replace all programs, and wait for their reports; raises StepFailed."""
    say("migrating …")
    server.migrate(release)
    server.load_rights()
    server.replace_all(release)
    server.await_reports()


def main(arguments: list[str] | None = None) -> int:
    """Replace all programs; return 0, 1 or 2."""
    parser = argparse.ArgumentParser(prog="python3 deploy/release.py", description=__doc__)
    parser.add_argument("release", help="the tag of its images")
    parser.add_argument("--settings", type=Path, default=Path("/etc/rdvpriority/settings.env"))
    parser.add_argument("--stack", action="store_true", help="in a swarm: docs/scaling.md")
    options = parser.parse_args(arguments)
    server = Swarm(options.settings) if options.stack else OneMachine(options.settings)
    try:
        bring(server, options.release)
    except Refused as failure:
        say(f"{options.release} stopped: {failure}; nothing was changed")
        return 1
    except StepFailed as failure:
        say(f"{options.release} stopped: {failure}")
        return _go_back(server)
    server.write_release(options.release)
    say(f"{options.release} runs, and every program has reported")
    return 0


def _go_back(server: Server) -> int:
    release = server.running
    try:
        server.replace_all(release)
        server.await_reports()
    except StepFailed as failure:
        say(f"{release} could not be put back whole: {failure}")
        return 2
    say(f"{release} runs again; the tables stay as they are")
    return 1


if __name__ == "__main__":
    sys.exit(main())
