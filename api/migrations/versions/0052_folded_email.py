"""One folding of e-mail addresses, computed by the application: the database's own folds other letters together."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from configs.ground.contact_addresses import fold_address

revision: str = "0052"
down_revision: str | None = "0051"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

CONTRACTS = "No release before this one is installed anywhere; its registrations would lack the column."

_users = sa.table("users", sa.column("id"), sa.column("email"), sa.column("email_folded"))


def upgrade() -> None:
    op.add_column("users", sa.Column("email_folded", sa.Text(), nullable=True))
    connection = op.get_bind()
    for user_id, email in connection.execute(sa.select(_users.c.id, _users.c.email)).all():
        folded = fold_address(email)
        connection.execute(sa.update(_users).where(_users.c.id == user_id).values(email_folded=folded))
    op.alter_column("users", "email_folded", nullable=False)
    op.create_unique_constraint(op.f("uq_users_email_folded"), "users", ["email_folded"])
    op.drop_index("uq_users_email", table_name="users")


def downgrade() -> None:
    op.create_index("uq_users_email", "users", [sa.literal_column("lower(email)")], unique=True)
    op.drop_column("users", "email_folded")
