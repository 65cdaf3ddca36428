"""The ground of the records: the declarative base, column kinds, the engine and session()."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects import postgresql
from uuid_utils.compat import uuid7

from configs.database import database_url
from configs.psycopg_timeout import wait_no_longer_than
from configs.settings import settings

# A server that vanished without a word is noticed within about ten seconds, not after the system's two hours:
# https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-KEEPALIVES
_CONNECTION = {
    "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000,
}  # fmt: skip

# Our statements are short and many. Workers of a parallel plan take longer to start than matching takes in all, and
# so does compiling a plan: both are chosen by costs that a wrong estimate makes
# (https://www.postgresql.org/docs/18/when-can-parallel-query-be-used.html, …/jit-decision.html).
_PLANS = {"max_parallel_workers_per_gather": "0", "jit": "off"}


class Base(orm.DeclarativeBase):
    """Every table's class derives from this one; instants are `timestamptz`."""

    metadata = sa.MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 -- SQLAlchemy's own name for it
        datetime: sa.DateTime(timezone=True),
        str: sa.Text(),
        dict[str, Any]: postgresql.JSONB(),
        list[Any]: postgresql.JSONB(),
        list[str]: postgresql.ARRAY(sa.Text()),
    }


def new_id() -> UUID:
    """Return a UUIDv7: ordered by time, so that an index grows at one end (RFC 9562)."""
    return uuid7()


def enum_column(kind: type[StrEnum], name: str) -> sa.Enum:
    """Return the column type of a word out of `kind`: text with a check constraint called `name`."""
    return sa.Enum(
        kind,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=24,
        values_callable=lambda words: [word.value for word in words],
    )


def is_any_of(
    column: sa.ColumnElement[UUID] | orm.attributes.InstrumentedAttribute[Any], ids: Iterable[UUID]
) -> sa.ColumnElement[bool]:
    """Whether a column is one of many ids: one array in one parameter, however many they are."""
    return column == sa.any_(sa.literal(list(ids), postgresql.ARRAY(sa.Uuid())))


@lru_cache(maxsize=1)
def engine() -> sa.Engine:
    """Return the process's engine, built at the first call.

    Every statement is bounded, by the server and by us: one that hangs must not hold its connection for ever, nor
    a server that is frozen a program.

    Raises:
        configs.settings.SettingMissing: DATABASE_URL is not set.
    """
    seconds = settings().database_seconds
    wait_no_longer_than(seconds)
    options = {"timezone": "utc", "statement_timeout": str(round(seconds * 1000))} | _PLANS | _planning()
    return sa.create_engine(
        database_url(),
        pool_size=5,
        max_overflow=10,
        pool_pre_ping=True,
        pool_recycle=1800,
        hide_parameters=True,  # an error that is logged would repeat addresses and hashes
        connect_args=_CONNECTION
        | {"options": " ".join(f"-c {name}={value}" for name, value in options.items())},
    )


def _planning() -> dict[str, str]:
    """Have what tells read by index only: each of its statements, foreign keys too, is about rows that it can name.

    A connection keeps its plans. One that was made while a table was nearly empty reads all of it for every row of
    a crowd, until statistics are taken again: ten times the time for 10,000 people on a young database.
    https://www.postgresql.org/docs/18/runtime-config-query.html
    """
    return {"enable_seqscan": "off"} if settings().program == "notifier" else {}


def server_answers() -> bool:
    """Tell whether the server answers a statement on a connection of its own, whatever the pool's are worth."""
    apart = sa.create_engine(engine().url, poolclass=sa.NullPool)
    try:
        with apart.connect() as connection:
            connection.execute(sa.select(1))
    except sa.exc.DBAPIError:
        return False
    return True


@contextmanager
def session() -> Iterator[orm.Session]:
    """Give a session in one transaction: committed at the end, rolled back when an error leaves.

    Objects stay readable after the commit (`expire_on_commit` is off), so that no connection has to be held
    while a provider or a website answers.
    """
    with orm.Session(engine(), expire_on_commit=False) as open_session, open_session.begin():
        yield open_session
