"""Receipts may say that a provider has a message."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0086"
down_revision: str | None = "0085"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_OLD = ("delivered", "refused", "bounced", "complained", "stopped")


def _allow(*kinds: str) -> None:
    op.drop_constraint(op.f("ck_provider_events_kind"), "provider_events")
    op.create_check_constraint(
        op.f("ck_provider_events_kind"), "provider_events", sa.column("kind").in_(kinds)
    )


def upgrade() -> None:
    _allow("accepted", *_OLD)


def downgrade() -> None:
    op.execute("DELETE FROM provider_events WHERE kind = 'accepted'")
    _allow(*_OLD)
