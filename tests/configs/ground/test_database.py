"""Connection parameters of the database."""

from collections.abc import Callable
from typing import get_args

import pytest

from configs.ground.database import database_url
from configs.settings import DatabaseProgram, SettingMissing

Put = Callable[..., None]


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_the_driver_is_written_in(bare: Put, scheme: str) -> None:
    bare(DATABASE_URL=f"{scheme}://u:p@h:5432/db?sslmode=require")
    assert database_url() == "postgresql+psycopg2://u:p@h:5432/db?sslmode=require"


@pytest.mark.parametrize("program", get_args(DatabaseProgram))
def test_a_program_has_its_own_address_or_the_common_one(bare: Put, program: DatabaseProgram) -> None:
    bare(DATABASE_URL="postgresql://common/db")
    assert database_url(program) == "postgresql+psycopg2://common/db"
    bare(**{f"DATABASE_URL_{program.upper()}": "postgres://own/db"})
    assert database_url(program) == "postgresql+psycopg2://own/db"
    assert database_url() == "postgresql+psycopg2://common/db"


def test_a_process_is_the_program_that_the_environment_says(bare: Put) -> None:
    bare(DATABASE_URL="postgresql://common/db", DATABASE_URL_CRAWLER="postgresql://own/db", PROGRAM="crawler")
    assert database_url() == "postgresql+psycopg2://own/db"
    assert database_url("api") == "postgresql+psycopg2://common/db"


def test_without_an_address_the_variable_is_named(bare: Put) -> None:
    with pytest.raises(SettingMissing, match="DATABASE_URL is not set"):
        database_url("api")
