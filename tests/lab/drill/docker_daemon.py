"""Docker of Debian 13, as docs/deployment.md installs it, run from its unpacked packages beside whatever the machine has.

The machine's own runc is used: that of Debian 13 needs a newer glibc than Debian 12 has.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

PACKAGES = ("docker.io", "docker-cli", "docker-compose", "docker-buildx", "containerd")
_SUITE = "trixie"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_MIRROR = "http://deb.debian.org/debian"
_PLUGINS = "usr/libexec/docker/cli-plugins"
_START_SECONDS = 30.0
_STOP_SECONDS = 60.0
# A network namespace of its own: not by `ip netns exec`, which mounts /sys anew, and dockerd then finds no cgroups
_ENTER = ("nsenter", "--net=/run/netns/{}")


class DockerAway(Exception):
    """Docker cannot be had, or does not start; the text says why."""


def unpack_docker(folder: Path) -> Path:
    """Return the root of the unpacked packages, which the first call fetches from Debian's mirror.

    Raises:
        DockerAway: the mirror cannot be reached, or has no such package.
    """
    root = folder / _SUITE
    if not root.is_dir():
        half = folder / f"{_SUITE}.new"
        (half / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        (half / "sources.list").write_text(f"deb [signed-by={_KEYRING}] {_MIRROR} {_SUITE} main\n")
        apt = [
            "apt-get", "-qq", "-o", f"Dir::State::lists={half / 'lists'}", "-o", f"Dir::Cache={half / 'cache'}",
            "-o", f"Dir::Etc::sourcelist={half / 'sources.list'}", "-o", "Dir::Etc::sourceparts=-",
        ]  # fmt: skip
        _run([*apt, "update"], half)
        _run([*apt, "download", *PACKAGES], half)
        for package in half.glob("*.deb"):
            _run(["dpkg", "-x", str(package), "root"], half)
        (half / "root").rename(root)
    return root


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DockerAway(f"{' '.join(command[-7:])}: {done.stderr.strip()[-500:]}")


@dataclass
class DockerDaemon:
    """A dockerd with folders of its own; with `namespace`, in the network namespace of that name."""

    root: Path  # of unpack_docker
    folder: Path
    namespace: str = ""
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def environment(self) -> Mapping[str, str]:
        """Return the environment that leads the command docker to this daemon."""
        path = os.pathsep.join(
            (
                f"{self.root}/usr/bin",
                f"{self.root}/usr/sbin",
                os.environ.get("PATH", os.defpath),
                "/usr/sbin:/sbin",
            )
        )
        return os.environ | {
            "PATH": path,
            "DOCKER_HOST": f"unix://{self._run_folder}/docker.sock",
            "DOCKER_CONFIG": str(self.folder / "config"),
            # Of the daemon: a node of the drill has no name server, and would wait for one before it took its own image
            "DOCKER_SERVICE_PREFER_OFFLINE_IMAGE": "1",
        }

    @property
    def _run_folder(self) -> Path:
        """Return the folder of its sockets, whose paths may have 107 bytes."""
        return Path("/run") / f"rdvdrill-{self.namespace or 'host'}"

    def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            DockerAway: it does not; the text has the end of its log.
        """
        if self._read_pid():  # left by --keep
            return
        (self.folder / "config").mkdir(parents=True, exist_ok=True)
        plugins = {"cliPluginsExtraDirs": [str(self.root / _PLUGINS)]}
        (self.folder / "config" / "config.json").write_text(json.dumps(plugins))
        self._run_folder.mkdir(exist_ok=True)
        enter = [part.format(self.namespace) for part in _ENTER] if self.namespace else []
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*enter, "dockerd", "--data-root", str(self.folder / "data"), "--exec-root", str(self._run_folder / "exec"),
                 "--host", self.environment["DOCKER_HOST"], "--pidfile", str(self._run_folder / "pid")],
                env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + _START_SECONDS
        while self._ask("info").returncode:
            if self._process.poll() is not None or time.monotonic() > end:
                text = (self.folder / "log").read_text("utf-8", "replace")
                raise DockerAway(f"dockerd does not start: {text[-1000:]}")
            time.sleep(0.2)
        _weigh_containers()
        if not self.namespace:  # dockerd forbids forwarding between bridges that are not its own
            subprocess.run(["iptables", "--policy", "FORWARD", "ACCEPT"], check=False, env=self.environment)

    def stop(self) -> None:
        """End it with its containers."""
        pid = self._read_pid()
        if pid:
            os.kill(pid, signal.SIGTERM)
            end = time.monotonic() + _STOP_SECONDS
            while self._read_pid() == pid and time.monotonic() < end:
                time.sleep(0.2)

    def list_processes(self) -> list[int]:
        """Return the ids of the daemon's processes, its containers' shims among them: each names its folder."""
        mark = f"{self._run_folder}/".encode()
        return [int(each.parent.name) for each in Path("/proc").glob("[0-9]*/cmdline") if mark in _read(each)]

    def _read_pid(self) -> int:
        """Return the id of its process, 0 where none runs."""
        if self._process:
            self._process.poll()  # reaps it, or it would seem to run
        with suppress(OSError, ValueError):
            pid = int((self._run_folder / "pid").read_text())
            os.kill(pid, 0)
            return pid
        return 0

    def _ask(self, *command: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["docker", *command], env=self.environment, capture_output=True, check=False, timeout=60
        )


def _weigh_containers() -> None:
    """Give all containers the CPU of as many processes: by cgroups of version 1 all of them have that of one together."""
    folder = Path("/sys/fs/cgroup/cpu/docker")
    if folder.parent.is_dir():
        folder.mkdir(exist_ok=True)
        (folder / "cpu.shares").write_text(str(16 * 1024))


def _read(file: Path) -> bytes:
    with suppress(OSError):
        return file.read_bytes()
    return b""
