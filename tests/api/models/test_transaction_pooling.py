"""Locks behind a real PgBouncer that pools transactions: no client keeps a session there."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import engine, session
from deploy.local.processes import start, stop
from tests.waiting import wait_for_port

if TYPE_CHECKING:
    import subprocess

# Debian's package, installed or unpacked (`apt-get download pgbouncer`, `dpkg-deb --extract`).
_PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(_PROGRAM is None, reason="needs pgbouncer: install Debian's package"),
]
_CONF = """\
[databases]
* = host=127.0.0.1 port={server} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = 0
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 100
"""


@pytest.fixture
def pooled(
    database: str, tmp_path: Path, settings_env: Callable[..., None]
) -> Iterator[Callable[[int], sa.URL]]:
    """Give a function that starts PgBouncer with so many connections of the server, and leads DATABASE_URL through it."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(size: int) -> sa.URL:
        place, conf, log = sa.make_url(database), tmp_path / "pgbouncer.ini", tmp_path / "log"
        conf.write_text(
            _CONF.format(server=place.port, user=place.username, password=place.password, size=size)
        )
        for path in (tmp_path, conf):
            path.chmod(0o755)
        apart = ["unshare", "--user", "--map-user=1000", "--map-group=1000"] if os.geteuid() == 0 else []
        process = start([*apart, str(_PROGRAM), str(conf)], log)  # it refuses root
        started.append(process)
        url = place.set(port=wait_for_port(process.pid, log))
        settings_env(DATABASE_URL=url.render_as_string(hide_password=False), PROGRAM="")
        return url

    yield begin
    engine().dispose()
    for process in started:
        stop(process)


def test_a_lock_of_a_loop_ends_with_its_transaction(pooled: Callable[[int], sa.URL]) -> None:
    pooled(3)
    take = sa.select(sa.func.pg_try_advisory_xact_lock(7))
    with session() as rows:
        assert rows.scalar(take)
        with Session(engine()) as second:
            assert not second.scalar(take)
    with session() as rows:
        assert rows.scalar(take)
