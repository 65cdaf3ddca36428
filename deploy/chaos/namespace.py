"""Private mount namespace, where the machine allows one: the state on a small disk, names from a private DNS server."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.chaos.capabilities import Capabilities
from deploy.chaos.dns_server import NameTable
from deploy.sandbox.addresses import department_host

_MARK = "RDV_CHAOS_NAMESPACE"
_DISK = "700m"
NAMED = "78"  # the department whose site is known by a name that has to be looked up


def enter(arguments: Sequence[str]) -> None:
    """Become the same program in a namespace of its own; return where that is not allowed, or where we are there."""
    found = shutil.which("unshare")
    if _MARK in os.environ or not found:
        return
    for how in (["--mount"], ["--user", "--map-root-user", "--mount"]):
        unshare = [found, *how, "--propagation", "private"]
        disk = [*unshare, "mount", "-t", "tmpfs", "none", "/mnt"]
        tried = subprocess.run(disk, capture_output=True, check=False)
        if tried.returncode == 0:
            command = [*unshare, sys.executable, "-m", "deploy.chaos", *arguments]
            os.execve(found, command, {**os.environ, _MARK: "1"})  # noqa: S606 -- no shell is meant


@contextmanager
def ground(state: Path) -> Iterator[Capabilities]:
    """Prepare the state folder and the names; outside a namespace there is nothing to prepare."""
    if _MARK not in os.environ:
        yield Capabilities(state)
        return
    _mount("-t", "tmpfs", "-o", f"size={_DISK}", "none", str(state))
    try:
        names = NameTable(department_host(NAMED))
    except PermissionError:  # port 53 is for root alone
        names = None
    resolver = _resolver(state, names) if names else []
    try:
        yield Capabilities(state, small_disk=True, names=names)
    finally:
        for path in [*resolver, str(state)]:
            subprocess.run(["umount", "--lazy", path], capture_output=True, check=False)  # noqa: S607 -- as below


def _resolver(state: Path, names: NameTable) -> list[str]:
    """Let every look-up of this namespace go to our server; return what was mounted."""
    texts = {
        "/etc/resolv.conf": f"nameserver {names.address}\n",
        "/etc/nsswitch.conf": "hosts: dns\n",
    }
    for path, text in texts.items():
        own = state / Path(path).name
        own.write_text(text, "utf-8")
        _mount("--bind", str(own), path)
    return list(texts)


def replace_host(text: str) -> str:
    """Let one site of the desk files be known by a name: `localhost`, the only one that is asked here."""
    return text.replace(department_host(NAMED), "localhost")


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)  # noqa: S607 -- the machine's own
