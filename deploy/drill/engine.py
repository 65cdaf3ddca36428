"""podman and podman-compose: what they are asked, and how long we wait for them.

Without systemd podman runs no health check by itself, and podman-compose waits for none: services are started in the
order of their conditions, and asked here.
"""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

from deploy.drill.server_files import DEPLOY, ServerFiles

PROJECT = "rdvdrill"
_COMPOSE = DEPLOY / "compose"
_FILES = (_COMPOSE / "production.yaml", _COMPOSE / "smtp.yaml", DEPLOY / "drill" / "override.yaml")
_PATIENCE = 180.0  # seconds, on a machine with much else to do
_SHOWN = 1500  # characters of output in an error
# crun does not start with cgroups of both versions, nor any runtime with limits above the machine's own.
_CONF = """\
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={tasks}:{tasks}"]
[engine]
runtime = "runc"
"""


class StepFailed(Exception):
    """Something that deployment relies on does not hold; the text says what."""


@dataclass
class Engine:
    """The containers of one drill: names begin with its project's."""

    files: ServerFiles
    release: str = "v1"

    @cached_property
    def services(self) -> dict[str, Any]:
        """Return the services of production.yaml, as they are written."""
        found: dict[str, Any] = yaml.safe_load(_FILES[0].read_text("utf-8"))["services"]
        return found

    def podman(self, *arguments: str, seconds: float = 300) -> str:
        """Run podman; return what it printed.

        Raises:
            StepFailed: it ended with another code than 0, or not in time.
        """
        return self._run(["podman", *arguments], seconds)

    def compose(self, *arguments: str, seconds: float = 300) -> str:
        """Run podman-compose on the shipped files, below the override; raises as `podman` does."""
        given = ["--env-file", str(self.files.settings), "--project-name", PROJECT]
        named = [part for file in _FILES for part in ("--file", str(file))]
        return self._run([sys.executable, "-m", "podman_compose", *given, *named, *arguments], seconds)

    def start(self, name: str) -> None:
        """Start a service, which others need not."""
        self.compose("up", "--detach", "--no-deps", "--no-build", name)

    def replace(self, name: str) -> None:
        """Stop a service, and start it of the present release, as `compose up --detach --no-deps` does."""
        self.stop(name)
        self.podman("rm", self.name_of(name))
        self.start(name)

    def stop(self, name: str) -> float:
        """Stop a service within its grace; return the seconds that it took.

        Raises:
            StepFailed: it had to be killed.
        """
        begun = time.monotonic()
        grace = self.services[name].get("stop_grace_period", "10s").removesuffix("s")
        self.podman("stop", "--time", grace, self.name_of(name))
        code = int(self.inspect(name, "{{.State.ExitCode}}"))
        if code == 128 + signal.SIGKILL:
            raise StepFailed(f"{name} did not end within {grace} s")
        return time.monotonic() - begun

    def start_all(self) -> list[str]:
        """Start everything in the order of its conditions; return a line for each service.

        Raises:
            StepFailed: one does not become healthy, or the migration fails.
        """
        self.start("stand-ins")
        after = {name: set(service.get("depends_on", ())) for name, service in self.services.items()}
        order, begun, lines = TopologicalSorter(after), time.monotonic(), []
        order.prepare()
        while order.is_active():
            ready = sorted(order.get_ready())
            for name in ready:
                self.start(name)
            for name in ready:
                self.wait(name)
                lines.append(f"{name} {time.monotonic() - begun:.0f} s")
                order.done(name)
        return lines

    def wait(self, name: str, seconds: float = _PATIENCE) -> None:
        """Wait until a service is healthy, or has ended well where it runs once.

        Raises:
            StepFailed: it is not; the text has the end of its log.
        """
        if self.services[name]["healthcheck"].get("disable"):
            code = self.podman("wait", self.name_of(name), seconds=seconds).strip()
            if code != "0":
                raise StepFailed(f"{name} ended with {code}: {self.read_log(name)}")
            return
        end = time.monotonic() + seconds
        while not self.is_healthy(name):
            if time.monotonic() > end:
                raise StepFailed(f"{name} is not healthy after {seconds:g} s: {self.read_log(name)}")
            time.sleep(1)

    def is_healthy(self, name: str) -> bool:
        """Whether a service's health check, asked now, is content."""
        return self._call(["podman", "healthcheck", "run", self.name_of(name)], 60).returncode == 0

    def kill(self, name: str) -> None:
        """Kill a service's first process from outside: podman takes it for a fault, and starts it again."""
        os.kill(int(self.inspect(name, "{{.State.Pid}}")), signal.SIGKILL)

    def execute(self, name: str, *command: str, user: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command in a service, whatever its exit code."""
        who = ["--user", user] if user else []
        return self._call(["podman", "exec", *who, self.name_of(name), *command], 120)

    def query(self, sql: str) -> list[list[str]]:
        """Return the rows that a query finds in the database, as text."""
        told = self.execute(
            "postgres", "sh", "-c",
            'PGPASSWORD=$(cat /run/secrets/db_password) psql -h 127.0.0.1 -U rdvpriority -AtF "|" -c "$0"', sql,
        )  # fmt: skip
        if told.returncode:
            raise StepFailed(f"{sql}: {told.stderr[-_SHOWN:]}")
        return [line.split("|") for line in told.stdout.splitlines()]

    def inspect(self, name: str, template: str) -> str:
        """Return a field of a service's container."""
        return self.podman("inspect", "--format", template, self.name_of(name)).strip()

    def read_log(self, name: str) -> str:
        """Return the end of a service's log."""
        done = self._call(["podman", "logs", "--tail", "30", self.name_of(name)], 30)
        return (done.stdout + done.stderr)[-_SHOWN:]

    def name_of(self, service: str) -> str:
        """Return the name of a service's container."""
        return f"{PROJECT}_{service}_1"

    def remove_all(self) -> None:
        """Remove the containers, networks and volumes of this project, by their names."""
        label = ["--filter", f"label=io.podman.compose.project={PROJECT}"]
        for kind, listed in (
            ("container", ["ps", "--all", "--format", "{{.Names}}", *label]),
            ("network", ["network", "ls", "--format", "{{.Name}}", *label]),
            ("volume", ["volume", "ls", "--format", "{{.Name}}", *label]),
        ):
            if names := self._call(["podman", *listed], 60).stdout.split():
                options = ["--time", "0"] if kind != "volume" else []
                self._call(["podman", kind, "rm", "--force", *options, *names], 300)

    def write_conf(self) -> None:
        """Write podman's configuration, which the machine's own stays without."""
        limits = {
            "files": min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 16384),
            "tasks": min(resource.getrlimit(resource.RLIMIT_NPROC)[1], 4096),
        }
        self._conf.write_text(_CONF.format(**limits))

    @property
    def _conf(self) -> Path:
        return self.files.folder.with_name("containers.conf")

    def _run(self, command: Sequence[str], seconds: float) -> str:
        done = self._call(command, seconds)
        if done.returncode:
            shown = " ".join(part for part in command if "/" not in part)
            raise StepFailed(f"{shown} ended with {done.returncode}: {(done.stdout + done.stderr)[-_SHOWN:]}")
        return done.stdout

    def _call(self, command: Sequence[str], seconds: float) -> subprocess.CompletedProcess[str]:
        environment = os.environ | self.files.variables() | {
            "CONTAINERS_CONF": str(self._conf), "RELEASE": self.release,
        }  # fmt: skip
        try:
            # the folder, because podman looks for a seccomp profile where it is called
            return subprocess.run(
                command, cwd=_COMPOSE, env=environment, timeout=seconds, check=False, text=True, errors="replace",
                stdin=subprocess.DEVNULL, capture_output=True,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise StepFailed(f"{' '.join(command[:6])} did not end within {seconds:g} s") from None
