"""Reminders of appointments, and how an appointment went."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0038"
down_revision: str | None = "0037"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_REMINDERS = ("first_reminder_at", "last_reminder_at")
_SOMETHING = "ck_appointments_something"


def upgrade() -> None:
    instant = sa.DateTime(timezone=True)
    for name in _REMINDERS:
        op.add_column("appointments", sa.Column(name, instant))
        op.create_index(
            f"ix_appointments_{name}", "appointments", [name], postgresql_where=sa.text(f"{name} IS NOT NULL")
        )
    op.add_column(
        "appointments", sa.Column("may_ask", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.add_column("appointments", sa.Column("asked_at", instant))
    op.add_column("appointments", sa.Column("answered_at", instant))
    op.add_column("appointments", sa.Column("went_well", sa.Boolean()))
    op.drop_constraint(op.f(_SOMETHING), "appointments")
    op.create_check_constraint(
        op.f(_SOMETHING), "appointments", "at IS NOT NULL OR place IS NOT NULL OR may_ask"
    )
    op.create_check_constraint(
        op.f("ck_appointments_answer"), "appointments", "(answered_at IS NULL) = (went_well IS NULL)"
    )


def downgrade() -> None:
    op.execute("DELETE FROM appointments WHERE at IS NULL AND place IS NULL")
    op.drop_constraint(op.f("ck_appointments_answer"), "appointments")
    op.drop_constraint(op.f(_SOMETHING), "appointments")
    op.create_check_constraint(op.f(_SOMETHING), "appointments", "at IS NOT NULL OR place IS NOT NULL")
    for name in ("went_well", "answered_at", "asked_at", "may_ask"):
        op.drop_column("appointments", name)
    for name in _REMINDERS:
        op.drop_index(f"ix_appointments_{name}", table_name="appointments")
        op.drop_column("appointments", name)
