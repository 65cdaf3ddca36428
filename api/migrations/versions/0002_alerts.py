"""Alerts and their targets."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("limits_version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "closed_because",
            sa.Enum(
                "deleted",
                "stopped",
                "found",
                name="closed_because",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=True,
        ),
        sa.Column("awaits_watch", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.CheckConstraint("NOT (awaits_watch AND enabled)", name=op.f("ck_alerts_awaits_paused")),
        sa.CheckConstraint(
            "(closed_at IS NULL) = (closed_because IS NULL)", name=op.f("ck_alerts_closed_with_reason")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_alerts_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    op.create_index(
        "ix_alerts_open",
        "alerts",
        ["user_id"],
        unique=False,
        postgresql_where=sa.text("closed_at IS NULL AND enabled"),
    )
    op.create_index("ix_alerts_user_id_created_at", "alerts", ["user_id", "created_at"], unique=False)
    op.create_index(
        "ix_alerts_waiting",
        "alerts",
        ["id"],
        postgresql_include=["user_id", "limits_version", "language"],
        postgresql_where=sa.text("closed_at IS NULL AND enabled"),
    )
    op.create_index(
        "ix_alerts_awaits_watch",
        "alerts",
        ["id"],
        postgresql_where=sa.text("awaits_watch AND closed_at IS NULL"),
    )
    op.create_table(
        "alert_targets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("prefecture_id", sa.Text(), nullable=True),
        sa.Column(
            "procedure",
            sa.Enum(
                "TITRE_SEJOUR",
                "NATURALISATION",
                "VISA",
                "CARTE_IDENTITE",
                "PASSEPORT",
                "PERMIS_CONDUIRE",
                "CARTE_GRISE",
                "AUTRE",
                name="procedure",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=True,
        ),
        sa.Column("desk_id", sa.Text(), nullable=True),
        sa.Column("date_from", sa.Date(), nullable=True),
        sa.Column("date_to", sa.Date(), nullable=True),
        sa.Column("weekdays", postgresql.ARRAY(sa.SmallInteger()), nullable=True),
        sa.Column("hour_from", sa.Time(), nullable=True),
        sa.Column("hour_to", sa.Time(), nullable=True),
        sa.Column("sites", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.CheckConstraint(
            "(desk_id IS NOT NULL AND prefecture_id IS NULL AND procedure IS NULL)"
            " OR (desk_id IS NULL AND prefecture_id IS NOT NULL AND procedure IS NOT NULL)",
            name=op.f("ck_alert_targets_desk_or_procedure"),
        ),
        sa.CheckConstraint("date_from <= date_to", name=op.f("ck_alert_targets_dates_in_order")),
        sa.CheckConstraint("hour_from < hour_to", name=op.f("ck_alert_targets_hours_in_order")),
        sa.CheckConstraint(
            "weekdays <@ ARRAY[1,2,3,4,5,6,7]::smallint[] AND cardinality(weekdays) > 0",
            name=op.f("ck_alert_targets_iso_weekdays"),
        ),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alerts.id"], name=op.f("fk_alert_targets_alert_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_targets")),
    )
    op.create_index("ix_alert_targets_alert_id", "alert_targets", ["alert_id"], unique=False)
    op.create_index(
        "ix_alert_targets_desk_id",
        "alert_targets",
        ["desk_id"],
        unique=False,
        postgresql_include=["alert_id", "id"],
        postgresql_where=sa.text("desk_id IS NOT NULL"),
    )
    op.create_index(
        "ix_alert_targets_prefecture_id_procedure",
        "alert_targets",
        ["prefecture_id", "procedure"],
        unique=False,
        postgresql_include=["alert_id", "id"],
        postgresql_where=sa.text("desk_id IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("alert_targets")
    op.drop_table("alerts")
