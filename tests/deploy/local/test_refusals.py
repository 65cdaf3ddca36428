"""Why `make run` does not start is one line that says what to do; what it writes is for its owner alone.

That it starts, shows and ends a stack is tests/whole/test_make.py.
"""

import socket
import stat
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import psycopg2
import pytest
import redis

from deploy.local import valkey as valkey_module
from deploy.local.ports import StackPorts, choose
from deploy.local.postgres import USER, PostgresUnavailable, start_postgres
from deploy.local.processes import StartFailed, free_port, start, stop, wait_until
from deploy.local.state_dir import AlreadyRunning, StateUnusable, alone, is_held, kept_secret, write_private
from deploy.local.valkey import ValkeyUnavailable, server_binary, start_valkey
from tests.waiting import ONE_TRY


def test_a_folder_is_held_by_one_and_free_afterwards(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with alone(state):
        assert is_held(state)
        with pytest.raises(AlreadyRunning, match="in use by process"), alone(state):
            pass
    assert not is_held(state)
    with alone(state):
        pass


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateUnusable, match="set STATE_DIR"), alone(tmp_path / "file" / "state"):
        pass


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def anywhere(**given: int) -> StackPorts:
    return StackPorts(**({port.name: free_port() for port in fields(StackPorts)} | given))


def test_a_taken_port_moves_to_the_next_and_is_told(taken: int) -> None:
    usual = anywhere(api=taken)
    chosen = choose(usual)
    assert taken < chosen.api < taken + 50
    assert chosen.describe_moves(usual) == [f"port {taken} is taken: api listens on {chosen.api}"]


def test_a_program_that_ends_or_does_not_get_ready_is_told_with_its_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "x.log"
    process = start([sys.executable, "-c", "print('no licence'); raise SystemExit(3)"], log)
    with pytest.raises(StartFailed, match=r"(?s)it ended with 3.*no licence"):
        wait_until(lambda: False, log, what="it", process=process)
    stop(process)
    with pytest.raises(StartFailed, match=r"(?s)it is not ready after 0.05 s.*\(no log\)"):
        wait_until(lambda: False, tmp_path / "none", what="it", seconds=0.05)


def test_a_server_that_cannot_be_had_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.postgres_tools.find_spec", lambda name: None)
    with pytest.raises(PostgresUnavailable, match="no PostgreSQL for"):
        start_postgres(tmp_path / "pg")
    monkeypatch.delenv(valkey_module.SERVER, raising=False)
    monkeypatch.setattr("deploy.local.valkey.shutil.which", lambda name: None)
    monkeypatch.setattr(valkey_module, "find_spec", lambda name: None)
    with pytest.raises(ValkeyUnavailable, match="install redis-server"):
        server_binary()


def test_a_cluster_without_its_password_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(PostgresUnavailable, match=f"remove {tmp_path}"):
        start_postgres(tmp_path)


def test_the_servers_want_their_passwords_and_keep_their_data(tmp_path: Path) -> None:
    for is_new in (True, False):
        postgres = start_postgres(tmp_path / "pg", durable=False)
        try:
            assert postgres.create("kept") is is_new
            with pytest.raises(psycopg2.OperationalError, match="password"):
                psycopg2.connect(
                    host="127.0.0.1", port=postgres.port, user=USER, password="guess", dbname="kept"
                )
        finally:
            postgres.stop()
    valkey = start_valkey(tmp_path / "redis")
    try:
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(host="127.0.0.1", port=valkey.port, retry=ONE_TRY).ping()
    finally:
        valkey.stop()
    for secret in ("pg/password", "redis/conf"):
        assert stat.S_IMODE((tmp_path / secret).stat().st_mode) == 0o600


def test_a_secret_is_drawn_once_and_kept_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "secret"
    first = kept_secret(path, "sandbox-")
    assert first.startswith("sandbox-")
    assert len(first) > 40
    assert kept_secret(path, "sandbox-") == first
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)
    path.chmod(0o644)
    write_private(path, "new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
