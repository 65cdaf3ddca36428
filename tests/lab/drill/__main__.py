"""`make drill`: the shipped production.yaml in containers. Exit code 0: all held, 1: not all, 2: it cannot run here.

A step that fails ends the drill, because each needs what the ones before it left.
"""

import argparse
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deploy.local import processes
from deploy.local.processes import StopRequested, is_free
from tests.lab.drill import stack_steps, steps
from tests.lab.drill.docker_daemon import DockerAway, DockerDaemon, unpack_docker
from tests.lab.drill.engine import Engine, StepFailed
from tests.lab.drill.nodes import make_swarm
from tests.lab.drill.server_files import ServerFiles
from tests.lab.drill.steps import restore
from tests.lab.drill.walls import check_walls

_PACKAGES = ("debootstrap", "iptables", "openssl", "runc")  # each has a program of its name
_PORTS = (80, 443, 8025, 8850)
STEPS: dict[str, Callable[[steps.Drill], str]] = {
    "files": steps.check_files,
    "images": steps.make_images,
    "start": steps.start_all,
    "visitor": steps.serve_visitor,
    "walls": check_walls,
    "kills": steps.kill_each,
    "release": steps.roll,
    "restore": restore,
    "stop": steps.stop_all,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the steps, print their table, remove what they made."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.drill", description=__doc__)
    parser.add_argument(
        "--skip",
        nargs="*",
        default=[],
        metavar="STEP",
        help=", ".join(dict.fromkeys([*STEPS, *stack_steps.STEPS])),
    )
    parser.add_argument("--keep", action="store_true", help="leave the containers as they are at the end")
    parser.add_argument("--nodes", type=int, choices=(1, 2), default=1, help="2: the stack on two machines")
    options = parser.parse_args(arguments)
    processes.listen()
    console = Console(highlight=False, soft_wrap=True)
    if missing := list_missing():
        console.print(f"the drill needs {'; '.join(missing)}", markup=False)
        return 2
    try:
        engine = start(Path(".state/drill").resolve(), options.nodes)
    except DockerAway as error:
        console.print(f"the drill cannot start: {error}", markup=False)
        return 2
    table = Table("step", "", "s", "", box=None)
    drill = steps.Drill(engine, lambda text: console.print(f"  {text}", style="dim", markup=False))
    try:
        todo = STEPS if options.nodes == 1 else stack_steps.STEPS
        held = all(_run(name, todo[name], drill, table) for name in todo if name not in options.skip)
    except StopRequested:
        held = False
    finally:
        console.print(table)
        with processes.deaf():
            if not options.keep:
                engine.remove_all()
    return int(not held)


def start(folder: Path, nodes: int) -> Engine:
    """Start Docker, on each of the nodes, without what a run left that was killed, or kept; raises DockerAway."""
    root = unpack_docker(folder)
    first = DockerDaemon(root, folder / "docker")
    first.start()
    files = ServerFiles(folder / "server")
    files.write()
    engine = Engine(files, first)
    engine.remove_all()
    first.start()
    if nodes > 1:
        return make_swarm(files, folder, first)
    if taken := [str(port) for port in _PORTS if not is_free("0.0.0.0", port)]:  # noqa: S104
        raise DockerAway(f"ports that others have: {', '.join(taken)}")
    return engine


def list_missing() -> list[str]:
    """Return what the drill needs and this machine has not."""
    missing = [name for name in _PACKAGES if not shutil.which(name, path=_PATH)]
    packages = [f"Debian's packages: apt-get install {' '.join(missing)}"] if missing else []
    return [*(["root"] if os.geteuid() != 0 else []), *packages]


# With the folders that a user's PATH lacks
_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


def _run(name: str, step: Callable[[steps.Drill], str], drill: steps.Drill, table: Table) -> bool:
    """Run a step, and add its line to the table; return whether it held."""
    begun = time.monotonic()
    drill.say(f"{name} …")
    try:
        text, held = step(drill), True
    except StepFailed as failure:
        text, held = str(failure), False
    except Exception:  # noqa: BLE001 -- the table and the end come whatever happens
        text, held = traceback.format_exc(), False
    table.add_row(name, "held" if held else "FAILED", f"{time.monotonic() - begun:.0f}", text)
    drill.say(f"{name}: {text}")
    return held


if __name__ == "__main__":
    sys.exit(main())
