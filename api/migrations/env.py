"""Alembic's environment: runs migrations against DATABASE_URL, each in a transaction, never offline."""

from typing import Any

import sqlalchemy as sa
from alembic import context

from api.migrations.retries import LOCK_SECONDS
from api.models.all import RECORDS
from api.models.partitions import is_partition
from configs.database import database_url


def _is_compared(_item: Any, name: str | None, kind: str, reflected: bool, compared_to: Any) -> bool:
    """Leave daily partitions out of the comparison: the planner makes them."""
    return not (kind == "table" and reflected and compared_to is None and is_partition(name or ""))


engine = context.config.attributes.get("engine") or sa.create_engine(database_url(), poolclass=sa.NullPool)
with engine.connect() as connection:
    connection.execute(sa.text(f"SET lock_timeout = {round(LOCK_SECONDS * 1000)}"))
    connection.commit()  # with a rollback of it, the setting would be undone
    context.configure(
        connection=connection,
        target_metadata=RECORDS[0].metadata,
        include_object=_is_compared,
        compare_type=True,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
