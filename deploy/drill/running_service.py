"""A service of the compose file in its container root: started, asked, stopped."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from deploy.drill.compose_file import DEPLOY, ComposeService
from deploy.drill.container_root import ContainerRoot, Rights
from deploy.drill.images import HOME, ImageEnvironment
from deploy.drill.production_files import list_trusted
from deploy.drill.step import StepFailed
from deploy.local.processes import start, tail

_STATE = "/var/lib/rdvpriority"
_AUTHORITY = "/etc/rdvpriority/authority.pem"
_HEALTH_SECONDS = 15.0
_LEFT_SECONDS = 5.0


@dataclass(frozen=True)
class Host:
    """What the machine gives to all services: folders by the names of volumes, secrets, an authority, names."""

    volumes: Path
    secrets: Path
    authority: Path
    hosts: str
    extra: Mapping[str, Path] = field(default_factory=dict)  # more files, by their place in the container


@dataclass
class RunningService:
    """A service and its process; `environment` may hold more than Compose gives."""

    service: ComposeService
    root: ContainerRoot
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """Return the service's name."""
        return self.service.name

    @property
    def rights(self) -> Rights:
        """Return what its processes may do."""
        return Rights(self.service.user, self.service.capabilities)

    def start(self, command: Sequence[str] | None = None) -> None:
        """Start its process; it owns its output, as runc makes it (node.conf opens /dev/fd/1 again)."""
        self.log.touch()
        os.chown(self.log, *map(int, self.service.user.split(":")))
        self.process = start(self._command_line(command or self.service.command), self.log, env={})

    def run(self, command: Sequence[str], seconds: float = 60) -> tuple[int, str]:
        """Run a command as `docker compose exec` would; return its exit code and its output."""
        line = self._command_line(command)
        try:
            done = subprocess.run(line, env={}, timeout=seconds, capture_output=True, text=True, check=False)
        except subprocess.TimeoutExpired:
            return 124, f"no end within {seconds:g} s"
        return done.returncode, (done.stdout + done.stderr).strip()

    def run_once(self, seconds: float = 120) -> None:
        """Run it to its end, for a service that ends.

        Raises:
            StepFailed: it failed.
        """
        code, said = self.run(self.service.command, seconds)
        self.log.write_text(said)
        if code:
            raise StepFailed(f"{self.name} ended with {code}: {said[-1000:]}")

    def wait_healthy(self, seconds: float) -> None:
        """Wait until its health check succeeds.

        Raises:
            StepFailed: it ended, or the time is up.
        """
        end = time.monotonic() + seconds
        while (found := self.run(self.service.health, _HEALTH_SECONDS))[0]:
            code = self.process.poll() if self.process else None
            if code is not None or time.monotonic() > end:
                state = f"ended with {code}" if code is not None else f"is not healthy after {seconds:g} s"
                raise StepFailed(f"{self.name} {state} ({found[1][-300:]}); its log ends:\n{tail(self.log)}")
            time.sleep(0.2)

    def stop(self, signum: signal.Signals = signal.SIGTERM) -> float:
        """End it as Docker does; return the seconds that it took.

        Raises:
            StepFailed: it had ended by itself, had to be killed, failed, or (one of ours) left processes behind.
        """
        if self.process is None:
            return 0.0
        if self.process.poll() is not None:
            raise StepFailed(f"{self.name} had ended by itself, with {self.process.returncode}")
        begun = time.monotonic()
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signum)
        try:
            self.process.wait(self.service.stop_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise StepFailed(f"{self.name} did not end within {self.service.stop_seconds:g} s") from None
        finally:
            # nginx's start.sh leaves its loop behind, which a container ends
            left = _end_left(children, _LEFT_SECONDS if self.service.image else 0)
        if left and self.service.image:
            raise StepFailed(f"{self.name} left processes behind: {', '.join(left)}")
        if self.process.returncode not in (0, -signum):
            raise StepFailed(f"{self.name} ended with {self.process.returncode}:\n{tail(self.log)}")
        return time.monotonic() - begun

    def kill(self) -> None:
        """End it and what it started, whatever they do."""
        if self.process is not None and self.process.poll() is None:
            children = psutil.Process(self.process.pid).children(recursive=True)
            self.process.kill()
            self.process.wait()
            _end_left(children, 0)

    def _command_line(self, command: Sequence[str]) -> list[str]:
        cwd = _STATE if self.service.image else "/"
        return self.root.command(self.rights, self.environment, command, cwd)


def _end_left(children: list[psutil.Process], seconds: float = _LEFT_SECONDS) -> list[str]:
    """Wait for what a service started; kill and name the rest."""
    _, left = psutil.wait_procs(children, timeout=seconds)
    named = []
    for each in left:
        try:
            named.append(" ".join(each.cmdline())[:80] or each.name())
            each.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(left, timeout=seconds)
    return named


def prepare_service(
    service: ComposeService, host: Host, folder: Path, environment: ImageEnvironment | None
) -> RunningService:
    """Build a service's root: its image's environment, volumes, secrets, and nothing else of the machine."""
    root = ContainerRoot(folder / "roots" / service.name)
    root.build(host.hosts)
    for text in service.tmpfs:
        root.mount_tmpfs(text)
    variables = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "SSL_CERT_FILE": _AUTHORITY}
    if environment:
        _add_image(root, service, host, environment)
        variables |= {"PATH": f"{HOME}/bin:/usr/bin:/bin"}
    _add_volumes(root, service, host)
    for name in service.secrets:
        root.bind(host.secrets / name, f"/run/secrets/{name}")
    for target, source in {_AUTHORITY: host.authority, **host.extra}.items():
        root.bind(source, target)
    root.seal()
    own = {name: value for name, value in service.environment.items() if name != "PATH"}
    log = folder / "logs" / f"{service.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    return RunningService(service, root, variables | own, log)


def _add_image(root: ContainerRoot, service: ComposeService, host: Host, made: ImageEnvironment) -> None:
    root.bind(made.folder, str(HOME))
    for file in list_trusted(made.folder):
        root.bind(host.authority, str(HOME / file))
    for path in (_STATE, "/var/lib/proofs"):
        root.make_folder(path, user=service.user, mode=0o700)
    root.bind(DEPLOY / "images" / "node.conf", "/etc/rdvpriority/node.conf")


def _add_volumes(root: ContainerRoot, service: ComposeService, host: Host) -> None:
    for volume in service.volumes:
        if volume.source.startswith("."):
            source = (DEPLOY / "compose" / volume.source).resolve()
        else:
            source = host.volumes / volume.source
            if not source.exists():  # Docker gives a new volume the owner of the folder that it is mounted on
                source.mkdir(parents=True)
                uid, gid = map(int, service.user.split(":"))
                os.chown(source, uid, gid)
                source.chmod(0o700)
        root.bind(source, volume.target, is_writable=volume.is_writable)
