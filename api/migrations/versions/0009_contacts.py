"""Encrypted phone numbers and chat ids, the hashes that find them, and what waits to be confirmed."""

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from configs.ground.encryption import decrypt, encrypt, lookup_hashes

revision: str = "0009"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_PROTECTED = "CASE channel WHEN 'email' THEN position('@' in {0}) > 0 ELSE starts_with({0}, 'gAAAAA') END"
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "contact_lookups",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_contact_lookups_contact_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_contact_lookups")),
    )
    op.create_index("ix_contact_lookups_contact_id", "contact_lookups", ["contact_id"])
    op.add_column("contacts", sa.Column("new_address", sa.Text(), nullable=True))
    _claim_addresses(op.get_bind())
    _rewrite_addresses(op.get_bind(), encrypt)
    op.create_check_constraint(
        op.f("ck_contacts_new_address_length"), "contacts", "length(new_address) BETWEEN 1 AND 254"
    )
    for column in ("address", "new_address"):
        name = op.f(f"ck_contacts_{column}_protected")
        op.create_check_constraint(name, "contacts", _PROTECTED.format(column))
    _create_phone_codes()
    _create_telegram_links()


def _claim_addresses(bind: sa.Connection) -> None:
    """Write the hashes of verified addresses. A number of several accounts stays with the one that proved it first."""
    verified = bind.execute(
        sa.text(
            "SELECT id, channel, address FROM contacts WHERE channel <> 'email' AND verified_at IS NOT NULL"
            " ORDER BY verified_at, id"
        )
    )
    for key, channel, address in verified.all():
        for hashed in lookup_hashes(f"{channel}:{address}"):
            row = {"hash": hashed, "id": key}
            bind.execute(
                sa.text("INSERT INTO contact_lookups VALUES (:hash, :id) ON CONFLICT DO NOTHING"), row
            )
    bind.execute(
        sa.text(
            "UPDATE contacts SET verified_at = NULL, enabled = false WHERE channel <> 'email'"
            " AND verified_at IS NOT NULL AND id NOT IN (SELECT contact_id FROM contact_lookups)"
        )
    )


def _rewrite_addresses(bind: sa.Connection, change: Callable[[str], str]) -> None:
    rows = bind.execute(sa.text("SELECT id, address FROM contacts WHERE channel <> 'email'"))
    for key, address in rows.all():
        values: dict[str, Any] = {"id": key, "address": change(address)}
        bind.execute(sa.text("UPDATE contacts SET address = :address WHERE id = :id"), values)


def _create_phone_codes() -> None:
    op.create_table(
        "phone_codes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("number_hash", sa.LargeBinary(), nullable=False),
        sa.Column("network_hash", sa.LargeBinary(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("wrong_tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("used_at", _TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_phone_codes_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_phone_codes")),
    )
    op.create_index("ix_phone_codes_user_id", "phone_codes", ["user_id"])
    op.create_index("ix_phone_codes_created_at", "phone_codes", ["created_at"])


def _create_telegram_links() -> None:
    op.create_table(
        "telegram_links",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("chat_id", sa.Text(), nullable=True),
        sa.Column("chat_name", sa.Text(), nullable=True),
        sa.Column("created_at", _TIME, nullable=False),
        sa.CheckConstraint("(chat_id IS NULL) = (chat_name IS NULL)", name=op.f("ck_telegram_links_chat")),
        sa.CheckConstraint(
            "starts_with(chat_id, 'gAAAAA') AND starts_with(chat_name, 'gAAAAA')",
            name=op.f("ck_telegram_links_encrypted"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_telegram_links_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_telegram_links")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_telegram_links_code_hash")),
    )


def downgrade() -> None:
    op.drop_table("telegram_links")
    op.drop_table("phone_codes")
    for name in ("address_protected", "new_address_protected", "new_address_length"):
        op.drop_constraint(op.f(f"ck_contacts_{name}"), "contacts", type_="check")
    _rewrite_addresses(op.get_bind(), decrypt)
    op.drop_column("contacts", "new_address")
    op.drop_table("contact_lookups")
