"""Web push: several contacts of a person on one channel, each a device with a name."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0042"
down_revision: str | None = "0041"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
CONTRACTS = "the new checks and the wider uniqueness allow more rows: those of the release before pass"

_CHANNELS = ("email", "sms", "telegram", "voice")
_PUSH = "push"
_WITH_CHANNEL = ("contacts", "notifications", "delivery_days", "delivery_figures")
_ONCE = "uq_contacts_user_id_channel"
_ONCE_A_DEVICE = f"{_ONCE}_number"
_LENGTH = "length(address) BETWEEN 1 AND "


def upgrade() -> None:
    op.add_column("contacts", sa.Column("number", sa.SmallInteger(), server_default="0", nullable=False))
    op.add_column("contacts", sa.Column("device_name", sa.Text(), nullable=True))
    for table in _WITH_CHANNEL:
        _replace_check(table, "channel", sa.column("channel").in_((*_CHANNELS, _PUSH)))
    op.create_unique_constraint(op.f(_ONCE_A_DEVICE), "contacts", ["user_id", "channel", "number"])
    op.drop_constraint(op.f(_ONCE), "contacts", type_="unique")
    _replace_check("contacts", "address_length", f"{_LENGTH}CASE channel WHEN 'push' THEN 2048 ELSE 254 END")
    op.create_check_constraint(
        op.f("ck_contacts_number"),
        "contacts",
        "number BETWEEN 0 AND CASE channel WHEN 'push' THEN 4 ELSE 0 END",
    )
    op.create_check_constraint(
        op.f("ck_contacts_device_name"),
        "contacts",
        "(channel = 'push') = (device_name IS NOT NULL) AND starts_with(device_name, 'gAAAAA')",
    )


def downgrade() -> None:
    for table in reversed(_WITH_CHANNEL):
        op.execute(sa.delete(sa.table(table, sa.column("channel"))).where(sa.column("channel") == _PUSH))
        _replace_check(table, "channel", sa.column("channel").in_(_CHANNELS))
    for name in ("device_name", "number"):
        op.drop_constraint(op.f(f"ck_contacts_{name}"), "contacts", type_="check")
    _replace_check("contacts", "address_length", f"{_LENGTH}254")
    op.create_unique_constraint(op.f(_ONCE), "contacts", ["user_id", "channel"])
    op.drop_constraint(op.f(_ONCE_A_DEVICE), "contacts", type_="unique")
    op.drop_column("contacts", "device_name")
    op.drop_column("contacts", "number")


def _replace_check(table: str, name: str, condition: str | sa.ColumnElement[bool]) -> None:
    full = op.f(f"ck_{table}_{name}")
    op.drop_constraint(full, table, type_="check")
    op.create_check_constraint(full, table, condition)
