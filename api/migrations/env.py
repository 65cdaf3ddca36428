"""Alembic's environment: runs migrations against DATABASE_URL, each in a transaction, never offline."""

from typing import Any

import sqlalchemy as sa
from alembic import context
from alembic.migration import MigrationContext

from api.migrations.retries import LOCK_SECONDS
from api.migrations.roles import grant_rights
from api.migrations.tables import COMPARISON, METADATA
from configs.ground.database import owner_url


def _grant_rights(ctx: MigrationContext, **_about: Any) -> None:
    """Grant what is declared after each migration, in its transaction, so that none can forget to."""
    if ctx.connection is not None:  # there is one, except offline
        grant_rights(ctx.connection)


def _limit_waits(connection: sa.Connection) -> None:
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {round(LOCK_SECONDS * 1000)}")


engine = context.config.attributes.get("engine") or sa.create_engine(owner_url(), poolclass=sa.NullPool)
with engine.connect() as connection:
    # In each transaction: the next one may be another session's, behind PgBouncer.
    sa.event.listen(connection, "begin", _limit_waits)
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        transaction_per_migration=True,
        on_version_apply=_grant_rights,  # type: ignore[arg-type] # Alembic hands all of it over by name
        **COMPARISON,
    )
    with context.begin_transaction():
        context.run_migrations()
