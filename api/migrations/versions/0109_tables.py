"""The tables that the first databases had. None is made by this revision: a new one begins at the newest.

tests/api/migrations/test_migrations.py has the digest of what they were.
"""

from collections.abc import Sequence

from api.migrations.retries import MigrationFailed

revision: str = "0109"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    raise MigrationFailed(
        "an empty database is made at the newest revision: `python -m api.migrations upgrade`"
    )


def downgrade() -> None:
    raise MigrationFailed("no revision is older: where nothing is to be kept, drop the database")
