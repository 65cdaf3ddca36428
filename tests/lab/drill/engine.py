"""The stack in Docker's containers: what docker and compose are asked, and how long we wait for them."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from tests.lab.drill.docker_daemon import DockerDaemon
from tests.lab.drill.server_files import DEPLOY, ServerFiles

PROJECT = "rdvdrill"
COMPOSE = DEPLOY / "compose"
FILES = (COMPOSE / "production.yaml", COMPOSE / "smtp.yaml", Path(__file__).with_name("override.yaml"))
_PATIENCE = 180.0  # seconds, on a machine with much else to do
_SHOWN = 1500  # characters of output in an error


class StepFailed(Exception):
    """Something that deployment relies on does not hold; the text says what."""


@dataclass
class Engine:
    """The containers of one drill: names begin with its project's."""

    files: ServerFiles
    daemon: DockerDaemon
    release: str = "v1"
    compose_files: tuple[Path, ...] = FILES
    release_options: tuple[str, ...] = ()
    # Folders that programs share, and services that have a browser, where there is one machine
    stores: tuple[str, ...] = (
        "/var/lib/proofs",
        "/var/lib/exports",
        "/var/lib/invoices",
        "/srv/backups",
    )
    browsers: tuple[str, ...] = ("scrapyd", "proofs")

    @cached_property
    def services(self) -> dict[str, Any]:
        """Return the services of production.yaml, as they are written."""
        found: dict[str, Any] = yaml.safe_load(FILES[0].read_text("utf-8"))["services"]
        return found

    def list_secrets(self, name: str) -> list[str | dict[str, str]]:
        """Return the secrets of a service, as all files together give them."""
        read = [yaml.safe_load(file.read_text("utf-8"))["services"] for file in self.compose_files]
        return [secret for file in read for secret in file.get(name, {}).get("secrets", [])]

    def docker(self, *arguments: str, seconds: float = 300) -> str:
        """Run docker; return what it printed.

        Raises:
            StepFailed: it ended with another code than 0, or not in time.
        """
        return self.run(["docker", *arguments], seconds)

    def compose(self, *arguments: str, seconds: float = 600) -> str:
        """Run compose on the shipped files, below the override; raises as `docker` does."""
        return self.docker("compose", *arguments, seconds=seconds)

    def stop(self, name: str) -> float:
        """Stop a service within its grace; return the seconds that it took.

        Raises:
            StepFailed: it had to be killed.
        """
        begun = time.monotonic()
        self.compose("stop", name)
        code = int(self.inspect(name, "{{.State.ExitCode}}"))
        if code == 128 + signal.SIGKILL:
            raise StepFailed(f"{name} did not end within its grace")
        return time.monotonic() - begun

    def start_all(self) -> str:
        """Start everything, as docs/deployment.md does; return how long each service took to be healthy.

        Raises:
            StepFailed: one does not become healthy, or the migration fails.
        """
        begun = time.monotonic()
        self.compose("up", "--detach", "--no-build", "stand-ins")
        self.compose("up", "--detach", "--no-build", seconds=900)
        for name in self.services:
            self.wait(name)
        return f"all are healthy after {time.monotonic() - begun:.0f} s"

    def wait(self, name: str, seconds: float = _PATIENCE) -> None:
        """Wait until a service is healthy, runs where it has no check, or has ended well where it runs once.

        Raises:
            StepFailed: it is not; the text has the end of its log.
        """
        service = self.services[name]
        if service["restart"] != "unless-stopped":
            code = self.docker("wait", self.name_of(name), seconds=seconds).strip()
            if code != "0":
                raise StepFailed(f"{name} ended with {code}: {self.read_log(name)}")
            return
        end = time.monotonic() + seconds
        due = "healthy" if "healthcheck" in service else "running"
        state = "{{if .State.Health}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}"
        while self.inspect(name, state) != due:
            if time.monotonic() > end:
                raise StepFailed(f"{name} is not healthy after {seconds:g} s: {self.read_log(name)}")
            time.sleep(1)

    def kill(self, name: str) -> None:
        """Kill a service's first process from outside: Docker takes it for a fault, and starts it again."""
        os.kill(int(self.inspect(name, "{{.State.Pid}}")), signal.SIGKILL)

    def execute(self, name: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a service, whatever its exit code."""
        return self.call(["docker", "exec", self.name_of(name), *command], 120, self.node_of(name))

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
        asked = ["docker", "inspect", "--format", template, self.name_of(name)]
        return self.run(asked, 60, self.node_of(name)).strip()

    def read_log(self, name: str) -> str:
        """Return the end of a service's log, and what its last health checks said."""
        done = self.call(["docker", "logs", "--tail", "30", self.name_of(name)], 30)
        checks = self.call(
            ["docker", "inspect", "--format", "{{json .State.Health}}", self.name_of(name)], 30
        )
        said = [each["Output"] for each in (json.loads(checks.stdout or "null") or {}).get("Log") or []][-2:]
        return (done.stdout + done.stderr)[-_SHOWN:] + "".join(said)

    def name_of(self, service: str) -> str:
        """Return the name of a service's container."""
        return f"{PROJECT}-{service}-1"

    def node_of(self, service: str) -> DockerDaemon:
        """Return the Docker that a service's container is of."""
        return self.daemon

    def remove_all(self) -> None:
        """Remove the containers, networks and volumes of this project, and end Docker."""
        self.call(["docker", "compose", "down", "--volumes", "--remove-orphans", "--timeout", "0"], 300)
        self.daemon.stop()

    def run(self, command: Sequence[str], seconds: float, daemon: DockerDaemon | None = None) -> str:
        """Run a command in this drill's environment; raises as `docker` does."""
        done = self.call(command, seconds, daemon)
        if done.returncode:
            shown = " ".join(part for part in command if "/" not in part)
            raise StepFailed(f"{shown} ended with {done.returncode}: {(done.stdout + done.stderr)[-_SHOWN:]}")
        return done.stdout

    def call(
        self, command: Sequence[str], seconds: float, daemon: DockerDaemon | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in this drill's environment, whatever its exit code."""
        environment = dict((daemon or self.daemon).environment) | self.files.variables() | {
            "COMPOSE_FILE": os.pathsep.join(map(str, self.compose_files)),
            "COMPOSE_ENV_FILES": str(self.files.settings),
            "COMPOSE_PROJECT_NAME": PROJECT, "RELEASE": self.release,
        }  # fmt: skip
        try:
            return subprocess.run(
                command, env=environment, timeout=seconds, check=False, text=True, errors="replace",
                stdin=subprocess.DEVNULL, capture_output=True,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise StepFailed(f"{' '.join(command[:6])} did not end within {seconds:g} s") from None
