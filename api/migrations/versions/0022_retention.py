"""Retention: the last use of an account, indexes of its jobs, and consent of an alert.

Before, nobody's use was kept longer than a login: the two years of all accounts begin now.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0022"
down_revision: str | None = "0021"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("users", sa.Column("last_used_at", _TIME, server_default=sa.func.now(), nullable=False))
    op.create_index("ix_users_last_used_at", "users", ["last_used_at"])
    op.create_index(
        "ix_contacts_unverified", "contacts", ["created_at"], postgresql_where=sa.text("verified_at IS NULL")
    )
    op.create_index("ix_logins_ended_at", "logins", ["ended_at"])
    op.create_index("ix_registrations_created_at", "registrations", ["created_at"])
    op.create_index("ix_support_requests_created_at", "support_requests", ["created_at"])
    op.create_index("ix_outages_ends_at", "outages", ["ends_at"])
    op.add_column("alerts", sa.Column("consent", postgresql.JSONB(astext_type=sa.Text())))
    op.add_column("alerts", sa.Column("consented_at", _TIME))


def downgrade() -> None:
    for column in ("consented_at", "consent"):
        op.drop_column("alerts", column)
    op.drop_index("ix_outages_ends_at", "outages")
    op.drop_index("ix_support_requests_created_at", "support_requests")
    op.drop_index("ix_registrations_created_at", "registrations")
    op.drop_index("ix_logins_ended_at", "logins")
    op.drop_index("ix_contacts_unverified", "contacts")
    op.drop_index("ix_users_last_used_at", "users")
    op.drop_column("users", "last_used_at")
