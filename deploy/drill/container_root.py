"""A container's surroundings without an engine: a read-only root of its own, another user, no capability.

The root is a tmpfs on which the machine's /usr is mounted, so that Debian's libraries are there and the source tree
is not. Like Docker's with `--read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges --user …`, but
the namespaces of processes and the memory limits are missing. It lasts as long as the mounts of this process.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.drill.machine import run_checked

_TOP = ("bin", "lib", "lib32", "lib64", "libx32", "sbin", "usr")
_SHARED = ("dev", "proc", "sys")
# Users of the images, which programs look up
_KNOWN = (("nginx", 101), ("servers", 999), ("rdvpriority", 10001))
# sh's $0 is the root. https://man7.org/linux/man-pages/man2/pivot_root.2.html has `pivot_root . .`
_ENTER = 'cd "$0"; pivot_root . .; umount -l .; exec "$@"'


@dataclass(frozen=True)
class Rights:
    """Who a process is (`user:group`, numbers), and what it may do as root."""

    user: str
    capabilities: Sequence[str] = ()

    def command(self) -> list[str]:
        """Return the command that takes these rights; it ends what it starts when we die."""
        uid, gid = self.user.split(":")
        allowed = ",".join(["-all", *(f"+{each}" for each in self.capabilities)])
        who = ["--reuid", uid, "--regid", gid, "--clear-groups", "--no-new-privs"]
        return ["setpriv", *who, "--inh-caps=-all", f"--bounding-set={allowed}", "--pdeathsig", "TERM", "--"]


@dataclass
class ContainerRoot:
    """A root under construction, then in use. `build` begins, `seal` makes it read-only."""

    folder: Path
    _mounted: list[str] = field(default_factory=list)

    def build(self, hosts: str) -> None:
        """Mount what every root has; `hosts` is its /etc/hosts."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._mount("-t", "tmpfs", "-o", "mode=0755", "none", str(self.folder))
        for name in _TOP:
            self._take_over(Path("/", name))
        for name in _SHARED:
            (self.folder / name).mkdir()
            self._mount("--rbind", f"/{name}", str(self.folder / name))
        self._copy_etc(hosts)
        for name, mode in (("tmp", 0o1777), ("run", 0o755), ("var/lib", 0o755), ("opt", 0o755)):
            self.make_folder(f"/{name}", mode=mode)
        (self.folder / "var" / "run").symlink_to("../run")
        base = Path(sys.base_prefix)
        if not base.is_relative_to("/usr"):
            self.bind(base, str(base))

    def make_folder(self, path: str, *, user: str = "0:0", mode: int = 0o755) -> Path:
        """Make a folder of a user's; those above it are root's."""
        made = self.folder / path.lstrip("/")
        made.mkdir(parents=True, exist_ok=True)
        uid, gid = map(int, user.split(":"))
        os.chown(made, uid, gid)
        made.chmod(mode)
        return made

    def bind(self, source: Path, target: str, *, is_writable: bool = False) -> None:
        """Mount a file or folder of the machine at a place of this root."""
        place = self.folder / target.lstrip("/")
        if source.is_dir():
            place.mkdir(parents=True, exist_ok=True)
        elif not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        self._mount("--bind", str(source), str(place))
        if not is_writable:
            self._mount("-o", "remount,bind,ro", str(place))

    def mount_tmpfs(self, text: str) -> None:
        """Mount a tmpfs as Compose writes it: `/tmp:size=64m,mode=1777`."""
        path, _, options = text.partition(":")
        place = self.make_folder(path)
        self._mount("-t", "tmpfs", "-o", options or "mode=0755", "none", str(place))

    def seal(self) -> None:
        """Make the root read-only; what is mounted on it keeps its own rights."""
        self._mount("-o", "remount,ro", str(self.folder))

    def command(
        self, rights: Rights, environment: Mapping[str, str], command: Sequence[str], cwd: str = "/"
    ) -> list[str]:
        """Return the command line that runs a command in here, with these variables alone."""
        enter = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", _ENTER, str(self.folder)]
        variables = [f"{name}={value}" for name, value in environment.items()]
        return [
            *enter, *rights.command(), "env", "--ignore-environment", f"--chdir={cwd}", *variables, *command,
        ]  # fmt: skip

    def unmount(self) -> None:
        """Take everything away again."""
        while self._mounted:
            subprocess.run(["umount", "--lazy", self._mounted.pop()], capture_output=True, check=False)  # noqa: S607 -- the machine's own

    def _take_over(self, top: Path) -> None:
        place = self.folder / top.name
        if top.is_symlink():
            place.symlink_to(top.readlink())
        elif top.is_dir():
            self.bind(top, str(top))

    def _copy_etc(self, hosts: str) -> None:
        etc = self.folder / "etc"
        shutil.copytree("/etc", etc, symlinks=True)
        (etc / "hosts").write_text(hosts)
        (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\n")
        with (etc / "passwd").open("a") as users, (etc / "group").open("a") as groups:
            for name, number in _KNOWN:
                users.write(f"{name}:x:{number}:{number}::/:/usr/sbin/nologin\n")
                groups.write(f"{name}:x:{number}:\n")

    def _mount(self, *arguments: str) -> None:
        run_checked(["mount", *arguments])
        if "remount" not in " ".join(arguments):
            self._mounted.append(arguments[-1])
