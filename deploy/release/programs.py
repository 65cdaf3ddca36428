"""The programs of a release as processes: started, stopped as supervisord stops them, started again."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from deploy.local.processes import StartFailed, start, tail, wait_until, with_parent
from deploy.release.versions import Version

_HERE = Path(__file__).parent
_EVERY = 0.5  # seconds
_STOP_SECONDS = 30.0


@dataclass(frozen=True)
class ProgramSet:
    """What one version starts: the command of each program, the environment of all, and what each has of its own."""

    version: Version
    commands: Mapping[str, Sequence[str]]
    environment: Mapping[str, str]
    own: Mapping[str, Mapping[str, str]]

    def with_variables(self, **variables: str) -> "ProgramSet":
        """Return the same programs with other variables."""
        return replace(self, environment={**self.environment, **variables})

    def environment_of(self, name: str) -> dict[str, str]:
        """Return the environment of a program."""
        return {**self.environment, **self.own.get(name, {})}

    @property
    def migrate(self) -> tuple[str, ...]:
        """Return the command that migrates; where programs have logins of their own, it makes these too."""
        logins = ("--logins",) if "DATABASE_URL_API" in self.environment else ()
        return ("-m", "api.migrations", "upgrade", *logins)

    def run(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of this version to its end, as an operator does: without PROGRAM."""
        return subprocess.run(
            [str(self.version.python), *arguments],
            cwd=self.version.tree,
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            check=False,
        )


def ask_version(
    version: Version, script: str, given: Mapping[str, Any], environment: Mapping[str, str]
) -> str:
    """Run a file of this folder with another version's Python and code; return what it wrote.

    Raises:
        deploy.local.processes.StartFailed: it failed; the text has its last lines.
    """
    done = subprocess.run(
        [str(version.python), "-P", str(_HERE / script)],
        input=json.dumps(given),
        cwd=version.tree,
        env={**environment, "PYTHONPATH": str(version.tree)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StartFailed(f"{script} of {version.name} failed:\n{done.stderr[-1500:]}")
    return done.stdout


def describe(
    version: Version,
    given: Mapping[str, Any],
    base: Mapping[str, str],
    variables: Mapping[str, str],
) -> ProgramSet:
    """Return what a version starts; `variables` go before its own."""
    found = json.loads(ask_version(version, "describe_programs.py", given, {**base, **variables}))
    environment = {**base, **found["variables"], **variables, "PYTHONPATH": str(version.tree)}
    return ProgramSet(version, found["commands"], environment, found["own"])


@dataclass
class _Started:
    process: "subprocess.Popen[bytes]"
    again: Callable[[], "subprocess.Popen[bytes]"]


class ReleasePrograms:
    """Running programs by their name. One that ends by itself is started again, as by its supervisor."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: dict[str, _Started] = {}
        self._turn = threading.Lock()
        self._stopped = threading.Event()
        self.ended: list[str] = []  # those that ended by themselves

    def log(self, name: str) -> Path:
        """Return where a program's output goes."""
        return self._logs / f"{name}.log"

    def start(self, name: str, programs: ProgramSet, *, bind: int | None = None) -> None:
        """Start a program; `bind` is another port of the API, which is `api` or `api-next`."""
        kind = name.removesuffix("-next")
        command = list(programs.commands[kind])
        if bind:
            command[command.index("--bind") + 1] = f"127.0.0.1:{bind}"

        def begin() -> "subprocess.Popen[bytes]":
            environment = programs.environment_of(kind)
            return start(with_parent(command), self.log(name), env=environment, cwd=programs.version.tree)

        with self._turn:
            self._running[name] = _Started(begin(), begin)

    def wait(self, name: str, is_ready: Callable[[], bool], seconds: float = 90) -> None:
        """Wait until a program is ready.

        Raises:
            deploy.local.processes.StartFailed: it ended, or the time is up.
        """
        wait_until(is_ready, self.log(name), what=name, process=self._running[name].process, seconds=seconds)

    def wait_for_end(self, name: str, seconds: float = 60) -> tuple[int, str]:
        """Wait until a program ends by itself; return its exit code and its last lines.

        Raises:
            deploy.local.processes.StartFailed: it goes on.
        """
        with self._turn:
            process = self._running.pop(name).process
        try:
            return process.wait(seconds), tail(self.log(name))
        except subprocess.TimeoutExpired:
            _end(process)
            raise StartFailed(f"{name} should have ended; its log:\n{tail(self.log(name))}") from None

    def stop(self, name: str) -> None:
        """End a program and all that it started: asked at once, killed after a while."""
        with self._turn:
            started = self._running.pop(name)
        _end(started.process)

    def stop_all(self) -> None:
        """End all, in the reverse order."""
        for name in reversed(list(self._running)):
            self.stop(name)

    @contextmanager
    def looking_after(self) -> Iterator[None]:
        """Start again what ends by itself, while the block lasts; end all afterwards."""
        thread = threading.Thread(target=self._look_after, name="supervisor", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join()
            self.stop_all()

    def _look_after(self) -> None:
        while not self._stopped.wait(_EVERY):
            with self._turn:
                for name, started in self._running.items():
                    if started.process.poll() is not None:
                        self.ended.append(name)
                        started.process = started.again()


def _end(process: "subprocess.Popen[bytes]") -> None:
    family: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)  # it leads a group of its own
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
    _, alive = psutil.wait_procs(family, timeout=_STOP_SECONDS)
    for each in alive:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    if process.poll() is None:
        process.kill()
        process.wait()
