"""Slots and detections."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "slots",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("desk_id", sa.Text(), nullable=False),
        sa.Column("place_key", sa.Text(), nullable=False),
        sa.Column("place_label", sa.Text(), nullable=True),
        sa.Column("moment", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seats", sa.Integer(), nullable=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "gone_reason",
            sa.Enum(
                "taken",
                "past",
                "lapsed",
                "superseded",
                name="gone_reason",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=True,
        ),
        sa.CheckConstraint(
            "moment = 'open' OR moment ~ '^\\d{4}-\\d\\d-\\d\\d'", name=op.f("ck_slots_moment")
        ),
        sa.CheckConstraint(
            "(gone_at IS NULL) = (gone_reason IS NULL)", name=op.f("ck_slots_gone_with_reason")
        ),
        sa.CheckConstraint("seen_at >= opened_at", name=op.f("ck_slots_seen_after_opened")),
        sa.ForeignKeyConstraint(["desk_id"], ["desks.id"], name=op.f("fk_slots_desk_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slots")),
    )
    op.create_index(
        "ix_slots_desk_id_place_key_moment", "slots", ["desk_id", "place_key", "moment"], unique=False
    )
    op.create_index("ix_slots_desk_id_opened_at", "slots", ["desk_id", "opened_at"], unique=False)
    op.create_index(
        "ix_slots_seen_at", "slots", ["seen_at"], unique=False, postgresql_where=sa.text("gone_at IS NULL")
    )
    op.create_index(
        "uq_slots_open",
        "slots",
        ["desk_id", "place_key", "moment"],
        unique=True,
        postgresql_where=sa.text("gone_at IS NULL"),
    )
    op.create_table(
        "detections",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("desk_id", sa.Text(), nullable=False),
        sa.Column("prefecture_id", sa.Text(), nullable=False),
        sa.Column("procedures", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column(
            "source",
            sa.Enum("check", "report", name="source", native_enum=False, create_constraint=True, length=24),
            nullable=False,
        ),
        sa.Column("booking_url", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("committed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("matched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_nudge_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("nudges", sa.Integer(), server_default="0", nullable=False),
        sa.Column("proof_key", sa.Text(), nullable=True),
        sa.CheckConstraint("cardinality(procedures) > 0", name=op.f("ck_detections_procedures")),
        sa.ForeignKeyConstraint(["desk_id"], ["desks.id"], name=op.f("fk_detections_desk_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_detections")),
    )
    op.create_index(
        "ix_detections_desk_id_seen_at",
        "detections",
        ["desk_id", sa.literal_column("seen_at DESC")],
        unique=False,
    )
    op.create_index(
        "ix_detections_prefecture_id_seen_at",
        "detections",
        ["prefecture_id", sa.literal_column("seen_at DESC")],
        unique=False,
    )
    op.create_index(
        "ix_detections_unmatched",
        "detections",
        ["committed_at"],
        unique=False,
        postgresql_where=sa.text("matched_at IS NULL"),
    )
    op.create_table(
        "detection_slots",
        sa.Column("detection_id", sa.Uuid(), nullable=False),
        sa.Column("slot_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["detection_id"],
            ["detections.id"],
            name=op.f("fk_detection_slots_detection_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["slot_id"], ["slots.id"], name=op.f("fk_detection_slots_slot_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("detection_id", "slot_id", name=op.f("pk_detection_slots")),
    )
    op.create_index("ix_detection_slots_slot_id", "detection_slots", ["slot_id"], unique=False)


def downgrade() -> None:
    op.drop_table("detection_slots")
    op.drop_table("detections")
    op.drop_table("slots")
