"""Migrations expand: code of the release before goes on working on the new tables, and after a rollback.

A migration that takes something away says so in `CONTRACTS`: why no code of the release before uses it any more.
"""

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from tests.api.models.schema_changes import Schema, find_breaks, read_schema


def schema_of(alembic: Config) -> Schema:
    with alembic.attributes["engine"].connect() as connection:
        return read_schema(connection)


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
