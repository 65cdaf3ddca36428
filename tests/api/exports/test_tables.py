"""No table that leads to a user is forgotten, and no column of an export holds a secret."""

import re

import pytest

import api.models.all  # noqa: F401 -- defines all tables
from api.exports.archive import WORDS
from api.exports.tables import EXPORTED, LEFT_OUT, ExportedTable
from api.models.base import Base

_SECRET = re.compile("hash|secret|password|token|key")
_HARMLESS = {("notifications", "dedupe_key")}  # the kind, and ids


def list_tables_of_users() -> set[str]:
    """Return the tables with a foreign key to users, or to a table that has one, however far."""
    found = {"users"}
    while more := {
        table.name
        for table in Base.metadata.tables.values()
        if table.name not in found and {each.column.table.name for each in table.foreign_keys} & found
    }:
        found |= more
    return found


def test_every_table_that_leads_to_a_user_is_exported_or_left_out_for_a_reason() -> None:
    exported = {each.name for each in EXPORTED} - {"audit"}  # it has no key: its rows outlive accounts
    assert list_tables_of_users() == exported | set(LEFT_OUT)
    assert not exported & set(LEFT_OUT)
    assert all(LEFT_OUT.values())


@pytest.mark.parametrize("exported", EXPORTED, ids=lambda each: each.name)
def test_no_column_of_a_secret_is_exported(exported: ExportedTable) -> None:
    names = {column.name for column in exported.columns}
    assert set(exported.left_out) <= {each.name for each in Base.metadata.tables[exported.name].columns}
    assert not {name for name in names if _SECRET.search(name) and (exported.name, name) not in _HARMLESS}


def test_each_table_has_its_words_in_each_language() -> None:
    for words in WORDS.values():
        assert set(words.tables) == {each.name for each in EXPORTED}
