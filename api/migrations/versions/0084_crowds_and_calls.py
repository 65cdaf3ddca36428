"""A crowd's parts travel in their jobs, and calls are written with their matches: a table and an index go."""

from collections.abc import Sequence

from alembic import op

revision: str = "0084"
down_revision: str | None = "0083"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

CONTRACTS = "No release with these tables is installed anywhere."


def upgrade() -> None:
    op.execute("DROP TABLE match_parts")
    op.execute("DROP INDEX ix_alerts_voice")


def downgrade() -> None:
    op.execute("""
CREATE TABLE match_parts (
  detection_id uuid NOT NULL CONSTRAINT fk_match_parts_detection_id REFERENCES detections (id) ON DELETE CASCADE,
  number integer NOT NULL,
  alert_ids uuid[] NOT NULL CONSTRAINT ck_match_parts_alert_ids CHECK (cardinality(alert_ids) > 0),
  CONSTRAINT pk_match_parts PRIMARY KEY (detection_id, number)
)
""")
    op.execute("""
CREATE INDEX ix_alerts_voice ON alerts (id) INCLUDE (user_id) WHERE voice_enabled AND enabled AND closed_at IS NULL
""")
