"""A PostgreSQL of its own, whose owner is no superuser: as docs/deployment.md has it set up."""

from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest

from deploy.local.postgres import start_postgres
from tests.conftest import _migrate

_SET_UP = (
    "CREATE ROLE rdv LOGIN CREATEROLE REPLICATION PASSWORD 'of-the-owner'",
    "GRANT pg_read_all_data TO rdv WITH ADMIN OPTION",
    "CREATE DATABASE rdv OWNER rdv",
)


@pytest.fixture(scope="session")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a plain owner of a migrated database."""
    server = start_postgres(tmp_path_factory.mktemp("cluster"), durable=False)
    with closing(psycopg2.connect(server.url("postgres").replace("+psycopg2", ""))) as connection:
        connection.autocommit = True
        with connection.cursor() as sql:
            for statement in _SET_UP:
                sql.execute(statement)
    address = f"postgresql+psycopg2://rdv:of-the-owner@127.0.0.1:{server.port}/rdv"
    _migrate(address)
    yield address
    server.stop()
