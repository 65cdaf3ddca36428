"""Hours of calls as one pair per person; no reports of keys, and no call that waits for one."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0073"
down_revision: str | None = "0072"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
CONTRACTS = "Nothing is installed: the columns go together with the code that used them."

_KINDS = ("delivered", "refused", "bounced", "complained", "stopped")
_OF_KEYS = ("key", "ended")
_HELD_FOR = ("quiet_hours", "digest", "hourly_cap", "slots")


def upgrade() -> None:
    _drop("alerts", ("voice_from", "voice_to"), "voice_hours")
    _add("users", ("calls_from", "calls_until"), "call_hours")
    op.execute(
        sa.delete(sa.table("provider_events", sa.column("kind"))).where(sa.column("kind").in_(_OF_KEYS))
    )
    _limit("provider_events", "kind", _KINDS)
    held = sa.table("notifications", sa.column("held_for"))
    op.execute(sa.update(held).where(held.c.held_for == "report").values(held_for=None))
    _limit("notifications", "held_for", _HELD_FOR)


def downgrade() -> None:
    _limit("notifications", "held_for", (*_HELD_FOR, "report"))
    _limit("provider_events", "kind", (*_KINDS, *_OF_KEYS))
    _drop("users", ("calls_from", "calls_until"), "call_hours")
    _add("alerts", ("voice_from", "voice_to"), "voice_hours")


def _drop(table: str, columns: tuple[str, str], check: str) -> None:
    op.drop_constraint(op.f(f"ck_{table}_{check}"), table, type_="check")
    for name in columns:
        op.drop_column(table, name)


def _add(table: str, columns: tuple[str, str], check: str) -> None:
    for name, hour in zip(columns, ("08:00", "22:00"), strict=True):
        op.add_column(table, sa.Column(name, sa.Time(), server_default=hour, nullable=False))
    op.create_check_constraint(op.f(f"ck_{table}_{check}"), table, f"{columns[0]} <> {columns[1]}")


def _limit(table: str, column: str, words: Sequence[str]) -> None:
    name = op.f(f"ck_{table}_{column}")
    op.drop_constraint(name, table, type_="check")
    op.create_check_constraint(name, table, sa.column(column).in_(words))
