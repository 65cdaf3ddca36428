"""`make drill`: the shipped production.yaml in containers. Exit code 0: all held, 1: not all, 2: it cannot run here.

A step that fails ends the drill, because each needs what the ones before it left.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deploy.drill import steps
from deploy.drill.engine import Engine, StepFailed
from deploy.drill.server_files import ServerFiles
from deploy.drill.steps import restore
from deploy.drill.walls import check_walls
from deploy.local import processes
from deploy.local.processes import StopRequested, is_free

# A program of each package, by which it is found.
_PACKAGES = {
    "aardvark-dns": "/usr/lib/podman/aardvark-dns",
    "debootstrap": "debootstrap",
    "iptables": "iptables",
    "netavark": "/usr/lib/podman/netavark",
    "openssl": "openssl",
    "podman": "podman",
    "runc": "runc",
}
_KEEPS_ANSWERING = (1, 11)  # of aardvark-dns
_PORTS = (80, 443, 8025, 8850)
STEPS: dict[str, Callable[[steps.Drill], str]] = {
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
    parser = argparse.ArgumentParser(prog="python -m deploy.drill", description=__doc__)
    parser.add_argument(
        "--skip", nargs="*", default=[], choices=list(STEPS), metavar="STEP", help=", ".join(STEPS)
    )
    parser.add_argument("--keep", action="store_true", help="leave the containers as they are at the end")
    options = parser.parse_args(arguments)
    processes.listen()
    console = Console(highlight=False, soft_wrap=True)
    engine = Engine(ServerFiles(Path(".state/drill").resolve() / "server"))
    missing = list_missing()
    if not missing:
        engine.files.write()
        engine.write_conf()
        engine.remove_all()  # what a run left that was killed, or kept
        missing = list_taken()
    if missing:
        console.print(f"the drill needs {'; '.join(missing)}", markup=False)
        return 2
    if hint := explain_names():
        console.print(hint, markup=False)
    table = Table("step", "", "s", "", box=None)
    drill = steps.Drill(engine, lambda text: console.print(f"  {text}", style="dim", markup=False))
    try:
        held = all(_run(name, drill, table) for name in STEPS if name not in options.skip)
    except StopRequested:
        held = False
    finally:
        console.print(table)
        if not options.keep:
            with processes.deaf():
                engine.remove_all()
    return int(not held)


def list_missing() -> list[str]:
    """Return what the drill needs and this machine has not."""
    missing = [name for name, program in _PACKAGES.items() if not shutil.which(program, path=_PATH)]
    packages = [f"Debian's packages: apt-get install {' '.join(missing)}"] if missing else []
    return [*(["root"] if os.geteuid() != 0 else []), *packages]


def list_taken() -> list[str]:
    """Return the ports that others have."""
    return [f"the port {port}, which others have" for port in _PORTS if not is_free("0.0.0.0", port)]  # noqa: S104


def explain_names() -> str:
    """Return what may fail by the name server of the containers; empty where it is new enough.

    Before 1.11 it ends all it listens to whenever a container starts or stops, and has been seen to answer nothing for
    half a minute: https://github.com/containers/aardvark-dns/issues/389
    """
    answer = subprocess.run(
        [_PACKAGES["aardvark-dns"], "--version"], capture_output=True, text=True, check=False
    )
    found = answer.stdout.split()[-1]
    is_old = tuple(int(part) for part in found.split(".")[:2]) < _KEEPS_ANSWERING
    return f"aardvark-dns {found} loses names: a release may fail (docs/deployment.md)" if is_old else ""


# With the folders that a user's PATH lacks
_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


def _run(name: str, drill: steps.Drill, table: Table) -> bool:
    """Run a step, and add its line to the table; return whether it held."""
    begun = time.monotonic()
    drill.say(f"{name} …")
    try:
        text, held = STEPS[name](drill), True
    except StepFailed as failure:
        text, held = str(failure), False
    except Exception:  # noqa: BLE001 -- the table and the end come whatever happens
        text, held = traceback.format_exc(), False
    table.add_row(name, "held" if held else "FAILED", f"{time.monotonic() - begun:.0f}", text)
    drill.say(f"{name}: {text}")
    return held


if __name__ == "__main__":
    sys.exit(main())
