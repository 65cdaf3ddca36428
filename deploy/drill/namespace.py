"""Namespace of a step: mounts that end with it, and a network that has nothing but loopback.

So each port is the one that production uses, names lead where the step says, and nothing can leave the machine.
"""

import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

from deploy.drill.machine import find_program, require_root, run_checked
from deploy.drill.step import StepFailed, StepResult, StepState, Workplace

MARK = "RDV_DRILL_NAMESPACE"
# https://man7.org/linux/man-pages/man7/netdevice.7.html
_SIOCSIFFLAGS = 0x8914
_IFF_UP, _IFF_RUNNING = 0x1, 0x40


def is_inside() -> bool:
    """Whether this process runs in such a namespace."""
    return MARK in os.environ


def run_inside(name: str, work: Workplace) -> StepResult:
    """Run a step in a namespace of its own, as a process of its own; return its result.

    Raises:
        CannotRun: we are not root, or there is no unshare.
        StepFailed: the process ended without a result.
    """
    require_root()
    unshare = find_program("unshare", "util-linux")
    answer = work.folder / f"{name}.json"
    answer.unlink(missing_ok=True)
    step = [sys.executable, "-m", "deploy.drill", "--only", name, "--to", str(answer)]
    command = [unshare, "--mount", "--net", "--propagation", "private", *step]
    done = subprocess.run(command, env=os.environ | {MARK: "1"}, check=False)
    results = json.loads(answer.read_text("utf-8"))["steps"] if answer.exists() else []
    if not results:
        raise StepFailed(f"the process of this step ended with {done.returncode} and no result")
    found = results[0]
    return StepResult(name, StepState(found["state"]), found["seconds"], found["text"])


def raise_loopback() -> None:
    """Bring up the loopback device, which is down in a new namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        fcntl.ioctl(door, _SIOCSIFFLAGS, struct.pack("16sH14s", b"lo", _IFF_UP | _IFF_RUNNING, b""))


def write_hosts(file: Path, names: dict[str, str]) -> str:
    """Let names lead to these addresses, for all processes of this namespace; return the file's text."""
    text = "127.0.0.1 localhost\n::1 localhost\n"
    text += "".join(f"{address} {name}\n" for name, address in names.items())
    file.write_text(text)
    run_checked(["mount", "--bind", str(file), "/etc/hosts"])
    return text
