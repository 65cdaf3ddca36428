"""The step `packages`: installs what Debian has and a step needs, and starts none of its services."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.drill.machine import require_root, run_checked
from deploy.drill.step import CannotRun, Workplace

# A program of each package, by which it is found.
_PROGRAMS = {
    "curl": "curl",
    "gettext-base": "envsubst",
    "nginx-light": "nginx",
    "openssl": "openssl",
    "pgbouncer": "pgbouncer",
    "redis-server": "redis-server",
}
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt: 101 forbids to start or stop a service
_POLICY = Path("/usr/sbin/policy-rc.d")
_FORBIDS = "#!/bin/sh\nexit 101\n"


def install_packages(work: Workplace) -> str:
    """Install what is missing.

    Raises:
        CannotRun: something is missing, and we are not root or there is no apt.
        StepFailed: apt failed.
    """
    missing = list_missing()
    if missing:
        named = " ".join(missing)
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            raise CannotRun(f"missing here, and only root can install them by apt-get: {named}")
        require_root()
        work.say(f"installing {named}")
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "PATH": _PATH}
        install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *missing]
        with forbid_services():
            run_checked(["apt-get", "update", "--quiet"], env=environment)
            run_checked(install, env=environment, seconds=600)
    return ", ".join(f"{name} {_read_version(name)}" for name in ("nginx-light", "pgbouncer", "redis-server"))


def list_missing() -> list[str]:
    """Return the packages whose program is not there."""
    return [package for package, program in _PROGRAMS.items() if not shutil.which(program, path=_PATH)]


@contextmanager
def forbid_services(policy: Path = _POLICY) -> Iterator[None]:
    """Have packages start no service for as long as the block lasts; a policy that is there stays."""
    if policy.exists():
        yield
        return
    policy.write_text(_FORBIDS)
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()


def _read_version(package: str) -> str:
    asked = ["dpkg-query", "--show", "--showformat", "${Version}", package]
    found = subprocess.run(asked, capture_output=True, text=True, check=False)
    return found.stdout or "not Debian's"
