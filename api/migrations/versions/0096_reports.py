"""Reports of people, who is trusted, and the source of slots."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision: str = "0096"
down_revision: str | None = "0095"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TIME = sa.DateTime(timezone=True)
_FALSE = sa.false()
_DOUBT = "NOT in_doubt OR source = 'report'"


def _words(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=24)


def _user(column: str, ondelete: str, **options: bool) -> sa.Column[object]:
    return sa.Column(column, sa.Uuid(), sa.ForeignKey("users.id", ondelete=ondelete), **options)  # type: ignore[arg-type]


def _networks(column: str) -> sa.Column[object]:
    return sa.Column(column, ARRAY(sa.LargeBinary()), nullable=False, server_default="{}")


def upgrade() -> None:
    for column in ("told_in_doubt", "may_be_asked"):
        op.add_column("users", sa.Column(column, sa.Boolean(), nullable=False, server_default=_FALSE))
    for table in ("users", "registrations"):
        op.add_column(table, _networks("registered_from"))
    source: sa.Column[str] = sa.Column(
        "source", _words("source", "check", "report"), nullable=False, server_default="check"
    )
    op.add_column("slots", source)
    for table in ("slots", "detections"):
        op.add_column(table, sa.Column("in_doubt", sa.Boolean(), nullable=False, server_default=_FALSE))
        op.create_check_constraint(op.f(f"ck_{table}_doubt"), table, _DOUBT)
    op.create_table(
        "reports",
        sa.Column("id", sa.Uuid(), primary_key=True),
        _user("user_id", "SET NULL"),
        sa.Column("desk_id", sa.Text(), nullable=False),
        sa.Column("kind", _words("kind", "slots", "none", "unseen"), nullable=False),
        sa.Column("days", ARRAY(sa.Date()), nullable=False, server_default="{}"),
        sa.Column("via", _words("via", "page", "link", "telegram", "api", "answer"), nullable=False),
        sa.Column("seen_at", _TIME, nullable=False),
        sa.Column("opened_at", _TIME),
        _networks("networks"),
        sa.Column(
            "state", _words("state", "waiting", "counted", "idle", "kept"), nullable=False,
            server_default="waiting",
        ),
        sa.Column("is_trusted", sa.Boolean(), nullable=False, server_default=_FALSE),
        sa.Column("corroborates_id", sa.Uuid()),
        sa.Column("opening_id", sa.Uuid()),
        sa.CheckConstraint("cardinality(days) <= 5", name="days"),
        sa.CheckConstraint("opened_at < seen_at", name="opened_before"),
    )  # fmt: skip
    op.create_index("ix_reports_waiting", "reports", ["id"], postgresql_where=sa.text("state = 'waiting'"))
    op.create_index("ix_reports_desk_id_seen_at", "reports", ["desk_id", "seen_at"])
    op.create_index("ix_reports_user_id_seen_at", "reports", ["user_id", "seen_at"])
    op.create_table(
        "page_openings",
        sa.Column("id", sa.Uuid(), primary_key=True),
        _user("user_id", "CASCADE", nullable=False),
        sa.Column("desk_id", sa.Text(), nullable=False),
        sa.Column("opened_at", _TIME, nullable=False),
    )
    mine = ["user_id", "desk_id", "opened_at"]
    op.create_index("ix_page_openings_user_id_desk_id_opened_at", "page_openings", mine)
    op.create_index("ix_page_openings_opened_at", "page_openings", ["opened_at"])
    op.create_table(
        "network_salts",
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "reporters",
        _user("user_id", "CASCADE", primary_key=True),
        sa.Column("named_at", _TIME),
        sa.Column("ended_at", _TIME),
        sa.Column("ended_because", sa.Text()),
        sa.CheckConstraint("(ended_at IS NULL) = (ended_because IS NULL)", name="ended_with_reason"),
    )
    op.create_table(
        "vouches",
        sa.Column("id", sa.Uuid(), primary_key=True),
        _user("user_id", "CASCADE", nullable=False),
        _user("voucher_id", "CASCADE"),
        sa.Column("vouched_on", sa.Date(), nullable=False),
        sa.Column("opening_id", sa.Uuid()),
        sa.UniqueConstraint("user_id", "opening_id"),
    )
    op.create_index("ix_vouches_voucher_id", "vouches", ["voucher_id"])
    op.create_index("ix_vouches_vouched_on", "vouches", ["vouched_on"])


def downgrade() -> None:
    for table in ("vouches", "reporters", "network_salts", "page_openings", "reports"):
        op.drop_table(table)
    for table in ("slots", "detections"):
        op.drop_constraint(op.f(f"ck_{table}_doubt"), table)
        op.drop_column(table, "in_doubt")
    op.drop_column("slots", "source")
    for table in ("users", "registrations"):
        op.drop_column(table, "registered_from")
    for column in ("told_in_doubt", "may_be_asked"):
        op.drop_column("users", column)
