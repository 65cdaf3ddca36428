"""Migrations expand: code of the release before goes on working on the new tables, and after a rollback.

A migration that takes something away says so in `CONTRACTS`: why no code of the release before uses it any more.
"""

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from tests.api.models.schema_changes import Schema, find_breaks, read_schema

BREAKS = {
    "DROP TABLE audit CASCADE": ["table audit is gone"],
    "ALTER TABLE payments DROP COLUMN paid_at": ["column payments.paid_at is gone"],
    "ALTER TABLE payments RENAME COLUMN paid_at TO settled_at": ["column payments.paid_at is gone"],
    "ALTER TABLE desks ADD colour text NOT NULL": ["column desks.colour is new, NOT NULL and without a default"],
    "ALTER TABLE payments ALTER paid_at SET NOT NULL": ["column payments.paid_at is NOT NULL now"],
    "ALTER TABLE payments ALTER amount_cents TYPE numeric": [
        "column payments.amount_cents was integer and is numeric"
    ],
    "ALTER TABLE alerts ALTER watched_since DROP DEFAULT": ["column alerts.watched_since has lost its default"],
    "ALTER TABLE payments ADD CONSTRAINT small CHECK (amount_cents < 100)": [
        "check small is new or stricter: CHECK ((amount_cents < 100))"
    ],
    "CREATE UNIQUE INDEX once ON payments (paid_at)": ["unique index once is new or stricter: btree (paid_at)"],
}  # fmt: skip
GROWTH = (
    "CREATE TABLE colours (id bigint PRIMARY KEY)",
    "ALTER TABLE desks ADD colour text",
    "ALTER TABLE desks ADD colour text NOT NULL DEFAULT 'blue'",
    "ALTER TABLE desks ADD colour text CONSTRAINT colours CHECK (colour <> 'red') UNIQUE",
    "ALTER TABLE payments ALTER amount_cents DROP NOT NULL",
    "CREATE INDEX many ON payments (paid_at)",
)


def schema_of(alembic: Config) -> Schema:
    with alembic.attributes["engine"].connect() as connection:
        return read_schema(connection)


def change(alembic: Config, statement: str) -> list[str]:
    before = schema_of(alembic)
    with alembic.attributes["engine"].begin() as connection:
        connection.exec_driver_sql(statement)
    return find_breaks(before, schema_of(alembic))


def test_no_migration_breaks_the_release_before_unless_it_says_why_it_may(alembic: Config) -> None:
    script = ScriptDirectory.from_config(alembic)
    first = script.get_base()
    assert first
    command.downgrade(alembic, first)
    before, unexcused = schema_of(alembic), {}
    for each in reversed(list(script.walk_revisions(first, "head"))):
        if each.revision == first:
            continue
        command.upgrade(alembic, each.revision)
        after = schema_of(alembic)
        if (breaks := find_breaks(before, after)) and not getattr(each.module, "CONTRACTS", ""):
            unexcused[each.revision] = breaks
        before = after
    assert unexcused == {}


@pytest.mark.parametrize("statement", BREAKS)
def test_a_change_that_older_code_cannot_bear_is_found(alembic: Config, statement: str) -> None:
    found = change(alembic, statement)
    assert set(BREAKS[statement]) <= set(found)


@pytest.mark.parametrize("statement", GROWTH)
def test_growth_is_no_break(alembic: Config, statement: str) -> None:
    assert change(alembic, statement) == []


def test_a_unique_index_that_is_dropped_is_found(alembic: Config) -> None:
    found = change(alembic, "ALTER TABLE stripe_ids DROP CONSTRAINT uq_stripe_ids_refund_id_kind")
    assert found == ["unique index uq_stripe_ids_refund_id_kind is gone, which ON CONFLICT may name"]


@pytest.mark.parametrize(
    ("words", "breaks"), [("'time','invoice','refund','gift'", 0), ("'time','invoice'", 1)]
)
def test_a_list_of_words_may_grow_and_not_shrink(alembic: Config, words: str, breaks: int) -> None:
    name = "ck_watch_credits_form"
    statement = (
        f"ALTER TABLE watch_credits DROP CONSTRAINT {name}, ADD CONSTRAINT {name} CHECK (form IN ({words}))"
    )
    assert len(change(alembic, statement)) == breaks
