"""Audit of operators, desks that they pause, and the search for users by the beginning of an address."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0011"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# The server's own clock decides: no program can remove a row by naming another instant.
_REFUSE = """
CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF OLD.at < now() - interval '3 years' THEN RETURN OLD; END IF;
  END IF;
  RAISE EXCEPTION 'rows of audit are kept unchanged for three years' USING ERRCODE = 'restrict_violation';
END $$
"""
_ROWS = """
CREATE TRIGGER audit_is_kept BEFORE UPDATE OR DELETE ON audit
FOR EACH ROW EXECUTE FUNCTION refuse_audit_change()
"""
_TABLE = """
CREATE TRIGGER audit_is_not_truncated BEFORE TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()
"""


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column(
            "actor_kind",
            sa.Enum(
                "support",
                "admin",
                "command",
                name="actor_kind",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject_type", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column(
            "changes", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.CheckConstraint("(actor_id IS NULL) = (actor_kind = 'command')", name=op.f("ck_audit_actor")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_at", "audit", ["at"], unique=False)
    op.create_index("ix_audit_actor_id_id", "audit", ["actor_id", "id"], unique=False)
    op.create_index("ix_audit_subject_id_id", "audit", ["subject_id", "id"], unique=False)
    op.create_index("ix_audit_action_id", "audit", ["action", "id"], unique=False)
    for statement in (_REFUSE, _ROWS, _TABLE):
        op.execute(statement)
    op.add_column("desks", sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("desks", sa.Column("pause_reason", sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f("ck_desks_pause"), "desks", "(paused_at IS NULL) = (pause_reason IS NULL)"
    )
    op.create_index(
        "ix_users_email_prefix",
        "users",
        [sa.literal_column("lower(email)").label("folded")],
        unique=False,
        postgresql_ops={"folded": "text_pattern_ops"},
    )


def downgrade() -> None:
    op.drop_index("ix_users_email_prefix", table_name="users")
    op.drop_constraint(op.f("ck_desks_pause"), "desks", type_="check")
    op.drop_column("desks", "pause_reason")
    op.drop_column("desks", "paused_at")
    op.drop_table("audit")
    op.execute("DROP FUNCTION refuse_audit_change()")
