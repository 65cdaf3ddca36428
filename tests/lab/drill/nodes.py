"""Two machines of a swarm: network namespaces on one bridge, each with a Docker of its own.

The drill itself enters the first one's namespace, where nginx has its ports: nothing leaves either.
"""

import ctypes
import os
import secrets
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.lab.drill.docker_daemon import DockerDaemon
from tests.lab.drill.engine import FILES, PROJECT, Engine, StepFailed
from tests.lab.drill.server_files import ServerFiles

_BRIDGE = "rdvdrill0"
_ADDRESS = "10.213.77.{}"
_CLONE_NEWNET = 0x40000000  # https://man7.org/linux/man-pages/man2/setns.2.html
_BUILT = ("postgres", "valkey", "nginx", "certbot", "stand-ins")
_FILES = (*FILES, Path(__file__).with_name("override-stack.yaml"))
# What stack.py leaves to each container: the store of the backups. Pictures need a node of their own
_STORES = ("/srv/backups",)
STORE = f"http://{_ADDRESS.format(1)}:9000"  # of objects
BUCKETS = ("proofs", "exports", "invoices")
RELEASES = ("v1", "v2", "v3")
_OUTSIDE = os.open("/proc/self/ns/net", os.O_RDONLY)  # where the drill begins
_DATA, _OTHER = 0, 1  # numbers of the nodes


@dataclass(kw_only=True)
class Swarm(Engine):
    """The stack on two nodes. `daemon` is the first one's; all that a drill does by `Engine` is done on either."""

    nodes: list[DockerDaemon]
    builder: DockerDaemon  # outside both, with a way to the package indexes

    @cached_property
    def services(self) -> dict[str, Any]:
        """Return the services of production.yaml that a stack has: one stands for both APIs."""
        return {name: service for name, service in super().services.items() if name != "api-2"}

    def clear(self) -> None:
        """Take from both nodes what they have but their images."""
        for command in (
            ["swarm", "leave", "--force"],
            ["container", "prune", "--force"],
            ["volume", "prune", "--all", "--force"],
        ):
            for node in self.nodes:
                self.call(["docker", *command], 300, node)

    def remove_all(self) -> None:
        """Clear both nodes, end all Dockers, and remove the machines."""
        self.clear()
        for node in (*self.nodes, self.builder):
            node.stop()
        remove_machines()

    def locate(self, service: str) -> tuple[DockerDaemon, str]:
        """Return the node of a service's running container, and its id, the newest first.

        Raises:
            StepFailed: none runs.
        """
        label = f"label=com.docker.swarm.service.name={PROJECT}_{service}"
        for node in self.nodes:
            listed = ["docker", "ps", "--quiet", "--filter", label, "--filter", "status=running"]
            if found := self.call(listed, 60, node).stdout.split():
                return node, found[0]
        raise StepFailed(f"no container of {service} runs on any node")

    def name_of(self, service: str) -> str:
        """Return the id of a service's container."""
        return self.locate(service)[1]

    def node_of(self, service: str) -> DockerDaemon:
        """Return the node of a service's container."""
        return self.locate(service)[0]

    def list_away(self) -> list[str]:
        """Return the services that have a container on the second node; raises StepFailed where none has."""
        listed = ["docker", "ps", "--format", '{{.Label "com.docker.swarm.service.name"}}']
        found = self.call(listed, 60, self.nodes[_OTHER]).stdout.split()
        if not found:
            raise StepFailed("nothing runs on the second node")
        return sorted({name.removeprefix(f"{PROJECT}_") for name in found})

    def settle_services(self) -> None:
        """Wait until as many tasks of each service run as are wanted, and no update goes on; raises StepFailed."""
        end = time.monotonic() + 240
        counts = ["docker", "service", "ls", "--format", "{{.Name}} {{.Replicas}}"]
        states = [f"{PROJECT}_{name}" for name in self.services if name != "migrate"]
        updates = "{{.Spec.Name}} {{with .UpdateStatus}}{{.State}}{{end}}"
        while True:
            short = [line for line in self.call(counts, 60).stdout.splitlines() if not _is_whole(line)]
            told = self.call(["docker", "service", "inspect", "--format", updates, *states], 60).stdout
            short += [line for line in told.splitlines() if line.endswith(" updating")]
            if not short:
                return
            if time.monotonic() > end:
                raise StepFailed(f"not whole: {', '.join(short)}")
            time.sleep(2)

    def cut_other(self, *, back: bool = False) -> None:
        """Take the second node's cable out, or put it back in."""
        _ip("link", "set", f"rdv{_OTHER}", "up" if back else "down")

    def kill_other(self) -> None:
        """End all of the second node at once, as a machine that loses its power."""
        node = self.nodes[_OTHER]
        listed = self.call(["docker", "ps", "--quiet", "--no-trunc"], 60, node).stdout.split()
        template = ["docker", "inspect", "--format", "{{.State.Pid}}", *listed]
        pids = [int(each) for each in self.call(template, 60, node).stdout.split()] if listed else []
        for pid in [*node.list_processes(), *pids]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _is_whole(line: str) -> bool:
    name, replicas = line.split()[:2]
    runs, wanted = replicas.split("/")
    return name.endswith("_migrate") or runs == wanted


def make_machines(folder: Path, root: Path) -> list[DockerDaemon]:
    """Make two namespaces on one bridge, and start a Docker in each; raises DockerAway."""
    nodes = [
        DockerDaemon(root, folder / f"rdvdrill{number}", f"rdvdrill{number}") for number in (_DATA, _OTHER)
    ]
    for node in nodes:
        node.stop()
    remove_machines()
    _ip("link", "add", _BRIDGE, "type", "bridge")
    _ip("link", "set", _BRIDGE, "up")
    for number in (_DATA, _OTHER):
        name = f"rdvdrill{number}"
        _ip("netns", "add", name)
        _ip("link", "add", f"rdv{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("link", "set", f"rdv{number}", "master", _BRIDGE, "up")
        inside = ("-netns", name)
        _ip(*inside, "addr", "add", f"{_ADDRESS.format(number + 1)}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            _ip(*inside, "link", "set", device, "up")
        _ip(*inside, "route", "add", "default", "dev", "eth0")
    for node in nodes:
        node.start()
    return nodes


def enter_first() -> None:
    """Enter the first machine's namespace, which has no way to a package index: images are made before."""
    with Path("/run/netns/rdvdrill0").open() as entry:
        if ctypes.CDLL(None, use_errno=True).setns(entry.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


def make_swarm(files: ServerFiles, folder: Path, builder: DockerDaemon) -> Swarm:
    """Make both machines, with settings for stores of objects; raises DockerAway."""
    for bucket in BUCKETS:
        files.add_secret(f"{bucket}_secret_access_key", secrets.token_urlsafe(32))
        files.add_setting(f"{bucket.upper()}_URL", f"s3://{bucket}?endpoint={STORE}&region=eu-west-3")
        files.add_setting(f"{bucket.upper()}_ACCESS_KEY_ID", "drill")
    for setting, number in (("SCRAPYD_REPLICAS", 2), ("NOTIFIER_REPLICAS", 2)):
        files.add_setting(setting, str(number))
    nodes = make_machines(folder, builder.root)
    swarm = Swarm(
        files=files, daemon=nodes[0], compose_files=_FILES, release_options=("--stack",), stores=_STORES, browsers=(),
        nodes=nodes, builder=builder,
    )  # fmt: skip
    swarm.clear()  # what a run left that was killed, or kept
    return swarm


def remove_machines() -> None:
    """Remove the namespaces and their bridge."""
    for number in (_DATA, _OTHER):
        _ip("netns", "delete", f"rdvdrill{number}", check=False)
        _ip("link", "delete", f"rdv{number}", check=False)
    _ip("link", "delete", _BRIDGE, check=False)


def join_swarm(engine: Swarm) -> None:
    """Make the first node the manager, which has the data, and join the second, as docs/scaling.md does."""
    engine.docker("swarm", "init", "--advertise-addr", _ADDRESS.format(1))
    token = engine.docker("swarm", "join-token", "--quiet", "worker").strip()
    where = ["--advertise-addr", _ADDRESS.format(2), "--token", token, f"{_ADDRESS.format(1)}:2377"]
    join = ["docker", "swarm", "join", *where]
    if (done := engine.call(join, 120, engine.nodes[_OTHER])).returncode:
        raise StepFailed(done.stderr)
    manager = engine.docker("node", "ls", "--filter", "role=manager", "--quiet").strip()
    engine.docker("node", "update", "--label-add", "data=1", manager)


def carry_images(engine: Swarm) -> None:
    """Give each node the images that its services have: a node that builds the same release has them, too."""
    ours = [f"rdvpriority.invalid/app:{release}" for release in RELEASES]
    made = [f"rdvdrill/{name}" for name in _BUILT]
    for node, images in ((engine.nodes[_DATA], [*ours, *made]), (engine.nodes[_OTHER], ours)):
        saving = subprocess.Popen(
            ["docker", "save", *images], env=engine.builder.environment, stdout=subprocess.PIPE
        )
        loaded = subprocess.run(
            ["docker", "load", "--quiet"], env=node.environment, stdin=saving.stdout, capture_output=True, text=True, check=False
        )  # fmt: skip
        if saving.wait() or loaded.returncode:
            raise StepFailed(f"images are not carried: {loaded.stderr}")


def _ip(*command: str, check: bool = True) -> None:
    """Run ip outside the machines, whose cables the drill does not see from within."""
    outside = ("nsenter", f"--net=/proc/self/fd/{_OUTSIDE}")
    subprocess.run([*outside, "ip", *command], check=check, capture_output=True, pass_fds=[_OUTSIDE])
