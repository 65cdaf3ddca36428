"""Base of the records: the declarative class, column types, the engine and session(), the database's clock.

Personal data is encrypted at rest by its column type (configs/ground/encryption.py). Leases, due times and caps go by
the database's clock, one for all machines. When a page was seen is its reader's to say. A machine whose own clock is
stepped takes over no lease, and writes nothing that waits longer than it should.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy import orm
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from uuid_utils.compat import uuid7

from api.models.session_options import is_ready, set_session_options, wait_no_longer_than
from api.models.tried_desks import refresh_tried_desks
from configs.ground.clock import read_offset
from configs.ground.database import database_seconds, database_url
from configs.ground.database_errors import judge_connection
from configs.ground.encryption import DecryptionFailed, decrypt, encrypt
from configs.settings import settings
from configs.settings.common import Program

P = ParamSpec("P")
T = TypeVar("T")
Word = TypeVar("Word", bound=StrEnum)
# Hashes by a key, none at first
Hashes = Annotated[
    list[bytes], orm.mapped_column(postgresql.ARRAY(sa.LargeBinary), default=list, server_default="{}")
]
# A server that vanished is noticed within about ten seconds, not after the system's two hours:
# https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-KEEPALIVES
_CONNECTION = {
    "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000,
}  # fmt: skip

# Connections that one process opens at most. A process of the API has eight threads, and five health checks that ask
# the database; the workers are single threads with a thread for their lease; a spider writes on a thread of its own.
LIMITS: Mapping[Program | None, int] = {
    "api": 13, "background": 3, "backup": 4, "crawler": 5, "notifier": 3, "reader": 3, "stream": 2, None: 15,
}  # fmt: skip
# Idle connections of a process; the API has as many threads. One more is opened and closed for each request that
# needs it, which costs more than the request.
_KEPT = 8
# Sessions of a login that reads only are read-only everywhere: what another one may do, a standby alone tells them.
_READ_ONLY = sa.text(
    "SELECT pg_is_in_recovery() OR (current_setting('transaction_read_only')::bool AND NOT :reader)"
)

_RANDOM_BITS = 80  # of a UUIDv7, behind its 48 bits of milliseconds
_AFTER_COMMIT = "after_commit"  # key of what a session's transaction leaves

CLOCKS_DIFFER = timedelta(seconds=5)  # between what two programs hold for now
_CLOCK_ASKED_EVERY = 10.0  # seconds; between them our own stopwatch goes on
_NOW = sa.select(sa.type_coerce(sa.func.clock_timestamp(), sa.DateTime(timezone=True)))
_clock_instead: list[Callable[[], datetime]] = []
UNREADABLE_ADDRESS = ""  # a contact's address that no key decrypts; no address is empty
log = structlog.get_logger(__name__)


class Base(orm.DeclarativeBase):
    """Base class of every table's class; instants are `timestamptz`."""

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
        list[float]: postgresql.ARRAY(sa.Float()),
    }


def new_id() -> UUID:
    """Return a UUIDv7, which is ordered by time, so that an index grows at one end (RFC 9562)."""
    return uuid7()


def first_id_at(moment: datetime) -> UUID:
    """Return the smallest UUIDv7 that a row made at `moment` can have."""
    return UUID(int=int(moment.timestamp() * 1000) << _RANDOM_BITS)


def enum_column(kind: type[StrEnum], name: str) -> sa.Enum:
    """Return the column type for a word of `kind`: text with a check constraint called `name`."""
    return sa.Enum(
        kind,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=24,
        values_callable=lambda words: [word.value for word in words],
    )


def word_column(default: Word, name: str) -> orm.MappedColumn[Word]:
    """Return the column of a word that is `default` where a row does not say it."""
    return orm.mapped_column(enum_column(type(default), name), default=default, server_default=default.value)


def write_array(values: Iterable[object]) -> str:
    """Return values as the text of a PostgreSQL array.

    As one constant it is parsed at once. psycopg2 writes a list as an expression, with a cast for each element.
    https://www.postgresql.org/docs/18/arrays.html#ARRAYS-IO
    """
    return "{" + ",".join([_write_element(each) for each in values]) + "}"


def _write_element(value: object) -> str:
    if value is None:
        return "NULL"
    if type(value) is UUID:
        return f"{value.int:032x}"  # without its hyphens: a quarter of the time, and PostgreSQL takes it, too
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def write_rows(rows: Iterable[Mapping[str, object]]) -> str:
    """Return rows as one constant, a JSON array for `json_to_recordset`; instants, days and UUIDs are texts in it."""
    return json.dumps([*rows], default=str)


class UuidArray(sa.types.TypeDecorator[Any]):
    """Parameter of any number of UUIDs, in one constant."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Iterable[UUID] | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002 -- as its base says
        """Write the array."""
        return None if value is None else write_array(value)

    def bind_expression(self, bindvalue: sa.BindParameter[Any]) -> sa.ColumnElement[Any]:
        """Say what it is."""
        return sa.cast(bindvalue, postgresql.ARRAY(sa.Uuid()))


def is_any_of(
    column: sa.ColumnElement[UUID] | orm.attributes.InstrumentedAttribute[Any], ids: Iterable[UUID]
) -> sa.ColumnElement[bool]:
    """Return the condition that a column is one of these ids; one array is one parameter for any number of ids."""
    return column == sa.any_(sa.literal(list(ids), UuidArray()))


@lru_cache(maxsize=1)
def engine() -> sa.Engine:
    """Return the process's engine, built at the first call.

    The server and the client both limit the time of every statement: a statement that hangs must not hold its
    connection for ever, and a frozen server must not hold the program.

    Raises:
        configs.settings.SettingMissing: DATABASE_URL is not set.
    """
    wait_no_longer_than(database_seconds())
    limit = LIMITS[settings().program]
    made = sa.create_engine(
        database_url(),
        pool_size=min(_KEPT, limit),
        max_overflow=max(0, limit - _KEPT),
        pool_recycle=1800,
        executemany_mode="values_plus_batch",  # a flush of many rows is a few round trips, not one a row
        hide_parameters=True,  # a logged error would contain addresses and hashes
        connect_args=_CONNECTION,
    )
    sa.event.listen(made, "connect", set_session_options)
    sa.event.listen(made, "checkout", _refuse_closed)
    sa.event.listen(made, "checkout", refresh_tried_desks)
    sa.event.listen(made, "checkin", _end_autocommit)
    sa.event.listen(made, "handle_error", judge_connection)
    return made


def _refuse_closed(connection: Any, _record: object, _proxy: object) -> None:
    """Have the pool open another connection where the server closed this one: on an idle socket something came.

    `pool_pre_ping` asks the server each time, which was a sixth of a read's CPU.
    """
    if connection.closed or is_ready(connection):
        raise sa.exc.DisconnectionError("PostgreSQL closed an idle connection")


def _end_autocommit(connection: Any, _record: object) -> None:
    """End what autocommit_session() began."""
    if connection is not None and not connection.closed:  # it broke
        connection.autocommit = False


@contextmanager
def session() -> Iterator[orm.Session]:
    """Give a session in one transaction, which commits at the end and rolls back on an error.

    Objects stay readable after the commit (`expire_on_commit` is off), so that no connection is held while a
    provider or a website answers. What was left by `do_after_commit` is done then.
    """
    with orm.Session(engine(), expire_on_commit=False) as open_session, open_session.begin():
        yield open_session
    for work in open_session.info.get(_AFTER_COMMIT, ()):
        work()


def do_after_commit(session: orm.Session, work: Callable[[], None]) -> None:
    """Have something done once the transaction of `session()` is committed, and its connection given back."""
    session.info.setdefault(_AFTER_COMMIT, []).append(work)


def takes_writes() -> bool:
    """Return whether the server is no standby, and not set read-only.

    A connection keeps what it was opened with, so those of the pool are given up where one says no.
    """
    asked = {"reader": settings().program == "reader"}
    with session() as opened:
        if not opened.scalar(_READ_ONLY, asked):
            return True
    engine().dispose()
    with session() as opened:
        return not opened.scalar(_READ_ONLY, asked)


@contextmanager
def autocommit_connection() -> Iterator[sa.Connection]:
    """Give a connection for reads, each statement of which is a transaction of its own.

    BEGIN and COMMIT would be two round trips more. Nothing is lost: in a transaction, too, each statement sees what
    is committed when it begins (READ COMMITTED). To undo SQLAlchemy's isolation level AUTOCOMMIT would be a round
    trip; psycopg2's own switch asks the server nothing.
    """
    with engine().connect() as connection:
        connection.connection.dbapi_connection.autocommit = True  # type: ignore[union-attr]
        yield connection


@contextmanager
def autocommit_session() -> Iterator[orm.Session]:
    """Give a session on an autocommit_connection()."""
    with (
        autocommit_connection() as connection,
        orm.Session(connection, expire_on_commit=False) as open_session,
    ):
        yield open_session


def read_once(query: Callable[Concatenate[Any, P], T], /, *wanted: P.args, **named: P.kwargs) -> T:
    """Return what one query finds, on an autocommit_session() of its own."""
    with autocommit_session() as opened:
        return query(opened, *wanted, **named)


def write_once(change: Callable[Concatenate[Any, P], T], /, *wanted: P.args, **named: P.kwargs) -> T:
    """Return what one change returns, in a session() of its own."""
    with session() as opened:
        return change(opened, *wanted, **named)


@dataclass(slots=True)
class _ClockAnswer:
    instant: datetime
    at: float  # by time.monotonic()
    asked_at: float  # the same; also of a question that was not answered


_clock_answers: list[_ClockAnswer] = []  # the last one


def database_clock(session: orm.Session | None = None) -> datetime:
    """Return the present instant by the database's clock; it is asked every few seconds, in `session` if there is one.

    While the database is away, the last answer and our stopwatch tell it.

    Raises:
        sqlalchemy.exc.DBAPIError: it was never asked, or `session` is at an end.
    """
    if _clock_instead:
        return _clock_instead[0]()
    if not _clock_answers or time.monotonic() - _clock_answers[0].asked_at >= _CLOCK_ASKED_EVERY:
        _ask_clock(session)
    passed = timedelta(seconds=time.monotonic() - _clock_answers[0].at)
    return _clock_answers[0].instant + passed + read_offset(of_database=True)


def replace_database_clock(source: Callable[[], datetime]) -> None:
    """Ask `source` instead: tests freeze it."""
    _clock_instead[:] = [source]


def _ask_clock(session: orm.Session | None) -> None:
    began = time.monotonic()
    try:
        with nullcontext(session.connection()) if session else autocommit_connection() as connection:
            instant: datetime = connection.execute(_NOW).scalar_one()
    except sa.exc.SQLAlchemyError:
        if session or not _clock_answers:
            raise
        _clock_answers[0].asked_at = time.monotonic()
    else:
        ended = time.monotonic()
        _clock_answers[:] = [_ClockAnswer(instant, (began + ended) / 2, ended)]


class EncryptedText(sa.types.TypeDecorator[str]):
    """Text that the program reads and writes plainly and the database holds encrypted.

    Two encryptions of a text differ, so it cannot be compared in SQL: find rows by `lookup_hashes`.
    `flask rekey` renews every column of this type.
    """

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 -- as its base says
        """Encrypt what is written."""
        return None if value is None else encrypt(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002 -- as its base says
        """Decrypt what is read.

        Raises:
            configs.ground.encryption.DecryptionFailed: no key of DATA_KEYS encrypted it.
        """
        return None if value is None else decrypt(value)


def read_stored_address(stored: str) -> str:
    """Return the address of a contact as the program reads it, from what the table holds.

    One that cannot be decrypted reads as UNREADABLE, so that one bad row fails no query over many.
    """
    if "@" in stored:
        return stored
    try:
        return decrypt(stored)
    except DecryptionFailed:
        log.error("the address of a contact is unreadable: check DATA_KEYS")  # noqa: TRY400 -- no traceback a row
        return UNREADABLE_ADDRESS


class ContactAddress(EncryptedText):
    """The address of a contact: e-mail addresses stay as they are, phone numbers and chat ids are encrypted.

    Only the former have an `@`, which the encrypted form has not.
    """

    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Encrypt an address that is no e-mail address."""
        return value if value is None or "@" in value else super().process_bind_param(value, dialect)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002 -- as its base says
        """Return it as `read_stored_address` does."""
        return None if value is None else read_stored_address(value)
