"""Ground of the tests of tables: Alembic on the test's own database, and a migration that it has not made yet."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from api.migrations import tables
from api.migrations.__main__ import config
from api.migrations.tables import METADATA
from api.models.revision import expected_revision
from tests import databases

HEAD = expected_revision()
NEXT = "9998"
_NEXT = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "{next}", "{head}"


def upgrade():
    op.create_table("colours", sa.Column("id", sa.Integer, primary_key=True))
    op.add_column("alerts", sa.Column("colour", sa.Text))


def downgrade():
    op.drop_column("alerts", "colour")
    op.drop_table("colours")
"""


@pytest.fixture
def alembic(database: str) -> Iterator[Config]:
    made = config()
    engine = sa.create_engine(database, poolclass=sa.NullPool)
    made.attributes["engine"] = engine
    yield made
    engine.dispose()


@pytest.fixture
def next_migration(alembic: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Config]:
    """Add a migration, and its records, to the code: a table and a column of alerts. The database lacks both."""
    extended = databases.add_revision(monkeypatch, tmp_path, _NEXT.format(next=NEXT, head=HEAD))
    records = sa.MetaData(naming_convention=METADATA.naming_convention)
    for table in METADATA.sorted_tables:
        table.to_metadata(records)
    records.tables["alerts"].append_column(sa.Column("colour", sa.Text))
    sa.Table("colours", records, sa.Column("id", sa.Integer, primary_key=True))
    monkeypatch.setattr(tables, "METADATA", records)
    made = extended()
    made.attributes.update(alembic.attributes)
    yield made
    engine: sa.Engine = made.attributes["engine"]
    with engine.connect() as connection:
        is_made = sa.inspect(connection).has_table("colours")
    with engine.begin() as connection:  # a database keeps its tables and revision for the next test
        connection.execute(
            sa.text("UPDATE alembic_version SET version_num = :it"), {"it": NEXT if is_made else HEAD}
        )
    if is_made:
        command.downgrade(made, HEAD)
