"""Acts of the members of one organisation are found by index."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0101"
down_revision: str | None = "0100"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(
        "ix_audit_organisation_id",
        "audit",
        [sa.text("(changes ->> 'organisation')"), "id"],
        postgresql_where=sa.text("actor_kind IN ('member', 'key')"),
    )


def downgrade() -> None:
    op.drop_index("ix_audit_organisation_id", "audit")
