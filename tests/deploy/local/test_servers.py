"""The embedded servers: passwords of their own, loopback only, data that outlives a restart."""

import stat
from pathlib import Path

import psutil
import psycopg2
import pytest
import redis

from deploy.local import valkey as valkey_module
from deploy.local.postgres import USER, PostgresUnavailable, start_postgres
from deploy.local.valkey import ValkeyUnavailable, server_binary, start_valkey
from tests.waiting import ONE_TRY


def test_postgres_keeps_its_data_and_its_password(tmp_path: Path) -> None:
    first = start_postgres(tmp_path / "pg", durable=False)
    try:
        assert first.create("kept")
    finally:
        first.stop()
    second = start_postgres(tmp_path / "pg", durable=False)
    try:
        assert second.password == first.password
        assert not second.create("kept")
        with pytest.raises(psycopg2.OperationalError, match="password"):
            psycopg2.connect(host="127.0.0.1", port=second.port, user=USER, password="guess", dbname="kept")
    finally:
        second.stop()
    assert stat.S_IMODE((tmp_path / "pg" / "password").stat().st_mode) == 0o600


def test_postgres_missing_from_its_wheel_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.postgres_tools.find_spec", lambda name: None)
    with pytest.raises(PostgresUnavailable, match="no PostgreSQL for"):
        start_postgres(tmp_path / "pg")


def test_a_cluster_that_was_never_finished_is_made_anew(tmp_path: Path) -> None:
    half = tmp_path / "pg" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18")
    server = start_postgres(tmp_path / "pg", durable=False)
    server.stop()
    assert server.process.returncode == 0
    assert not half.exists()


def test_a_cluster_without_its_password_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(PostgresUnavailable, match=f"remove {tmp_path}"):
        start_postgres(tmp_path)


def test_valkey_wants_its_password_and_never_evicts(tmp_path: Path) -> None:
    server = start_valkey(tmp_path / "redis", durable=False)
    try:
        client = redis.Redis.from_url(server.url())
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(host="127.0.0.1", port=server.port, retry=ONE_TRY).ping()
        client.close()
        assert server.password not in " ".join(psutil.Process(server.process.pid).cmdline())
    finally:
        server.stop()
    assert stat.S_IMODE((tmp_path / "redis" / "conf").stat().st_mode) == 0o600


def test_valkey_keeps_what_was_written(tmp_path: Path) -> None:
    first = start_valkey(tmp_path / "redis")
    redis.Redis.from_url(first.url()).set("kept", "yes")
    first.stop()
    second = start_valkey(tmp_path / "redis")
    try:
        assert redis.Redis.from_url(second.url()).get("kept") == b"yes"
    finally:
        second.stop()


def test_the_locked_server_comes_before_one_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(valkey_module.SERVER, raising=False)
    monkeypatch.setattr("deploy.local.valkey.shutil.which", lambda name: f"/usr/bin/{name}")
    assert server_binary() == str(valkey_module.find_embedded())
    monkeypatch.setattr(valkey_module, "find_embedded", lambda: None)
    assert server_binary() == "/usr/bin/valkey-server"


def test_a_server_that_the_environment_names_comes_before_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(valkey_module.SERVER, "/opt/redis/redis-server")
    assert server_binary() == "/opt/redis/redis-server"


def test_no_server_at_all_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(valkey_module.SERVER, raising=False)
    monkeypatch.setattr("deploy.local.valkey.shutil.which", lambda name: None)
    monkeypatch.setattr(valkey_module, "find_spec", lambda name: None)
    with pytest.raises(ValkeyUnavailable, match="install redis-server"):
        server_binary()
