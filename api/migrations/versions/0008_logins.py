"""Logins, pending registrations and the second factor."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TIME = sa.DateTime(timezone=True)


def _add_second_factor() -> None:
    op.add_column("users", sa.Column("totp_secret", sa.Text(), nullable=True))
    op.add_column("users", sa.Column("totp_confirmed_at", _TIME, nullable=True))
    op.add_column("users", sa.Column("totp_used_step", sa.BigInteger(), nullable=True))
    op.create_check_constraint(
        op.f("ck_users_second_factor"), "users", "(totp_confirmed_at IS NULL) = (totp_secret IS NULL)"
    )
    op.create_table(
        "recovery_codes",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_recovery_codes_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "code_hash", name=op.f("pk_recovery_codes")),
    )


def _create_registrations() -> None:
    op.create_table(
        "registrations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column(
            "wished_plan",
            sa.Enum(
                "NONE",
                "URGENCE_24H",
                "URGENCE_7J",
                "URGENCE_TOTAL",
                name="wished_plan",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=True,
        ),
        sa.Column("created_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_registrations_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registrations")),
    )
    op.create_index("ix_registrations_user_id_created_at", "registrations", ["user_id", "created_at"])


def _create_logins() -> None:
    op.create_table(
        "logins",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("browser", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=True),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("last_used_at", _TIME, nullable=False),
        sa.Column("rotated_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("proven_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME, nullable=True),
        sa.Column(
            "ended_because",
            sa.Enum(
                "logged_out",
                "ended_by_user",
                "new_password",
                "token_reused",
                "address_confirmed",
                "idle",
                name="ended_because",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=True,
        ),
        sa.CheckConstraint(
            "(ended_at IS NULL) = (ended_because IS NULL)", name=op.f("ck_logins_ended_with_reason")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_logins_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logins")),
    )
    op.create_index("ix_logins_user_id_created_at", "logins", ["user_id", "created_at"])
    op.create_index("ix_logins_expires_at", "logins", ["expires_at"])


def upgrade() -> None:
    _add_second_factor()
    _create_registrations()
    _create_logins()


def downgrade() -> None:
    op.drop_table("logins")
    op.drop_table("registrations")
    op.drop_table("recovery_codes")
    op.drop_constraint(op.f("ck_users_second_factor"), "users", type_="check")
    for column in ("totp_used_step", "totp_confirmed_at", "totp_secret"):
        op.drop_column("users", column)
