"""Book of deletions of a run: no row, key or log names former buyers, and no mail but the last one reaches them."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import redis
import sqlalchemy as sa
from sqlalchemy import orm

from api.retention.addresses import erase_addresses
from tests.api.deletion.traces import find, read_redis
from tests.lab.chaos.accounting import may_be_unheard
from tests.lab.chaos.books import Book
from tests.lab.chaos.consumers import Consumers, FormerBuyer
from tests.lab.chaos.inbox import ShopperMail
from tests.lab.chaos.journal import OpeningJournal
from tests.lab.chaos.money import DELIVERS, RECEIPTS
from tests.lab.chaos.subscribers import SHOPPERS

_LAST = ("Votre compte est supprimé", "Your account is deleted")
_ON_ITS_WAY = timedelta(seconds=20)  # a mail that a provider had when the account went
_SHOWN = 600  # characters of a row
_RUNS_OUT = 900_000  # milliseconds: keys that count requests by an id of the account
_NAMES_NOBODY = {"audit"}  # ids of the operators' audit belong to no row any more


def read_deletions(
    engine: sa.Engine, client: redis.Redis, logs: Path, *, consumers: Consumers, mails: Sequence[ShopperMail],
    journal: OpeningJournal,
) -> Book:  # fmt: skip
    """Look for former buyers everywhere, after deletions without an answer were tried again."""
    consumers.finish_leaving()
    book, former = Book(), consumers.former
    book.counts["accounts deleted"] = len(former)
    book.differences += [f"{each.email}: the deletion has no answer" for each in consumers.leaving]
    for each in former:
        mine = sorted((m for m in mails if m.address == each.buyer.email), key=lambda mail: mail.received_at)
        book.differences += _check_last_mails(each, mine, journal)
    if former:
        with orm.Session(engine) as session, session.begin():
            erase_addresses(session)  # as the hourly job does, whose next hour the run does not wait for
        book.differences += [*_find_in_tables(engine, former), *_find_in_redis(client, former)]
    book.differences += _find_in_logs(logs, [each.buyer.name for each in former])
    return book


def _check_last_mails(
    former: FormerBuyer, mails: Sequence[ShopperMail], journal: OpeningJournal
) -> Iterator[str]:
    """Yield what is wrong with the mails to a former buyer: one says so, receipts follow, nothing else does."""
    last = [mail for mail in mails if mail.subject.startswith(_LAST)]
    if len({mail.notifications for mail in last}) != 1:
        yield f"{former.buyer.email}: {len(last)} mails say that the account is deleted"
    for mail in last[:-1]:
        if not may_be_unheard(mail.received_at, "email", journal, DELIVERS):
            yield f"{former.buyer.email}: the last mail came twice"
    for mail in mails:
        is_late = mail.received_at > former.deleted_at + _ON_ITS_WAY
        if is_late and not mail.subject.startswith((*_LAST, *RECEIPTS)):
            yield f"{former.buyer.email}: told {mail.subject!r} after the deletion"


def _find_in_tables(engine: sa.Engine, former: Sequence[FormerBuyer]) -> Iterator[str]:
    """Yield the tables whose rows name a former buyer, by address, name or id."""
    words = [f"%{word}%" for each in former for word in (*_name(each), *each.buyer.ids)]
    with engine.connect() as connection:
        tables = connection.scalars(sa.text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        for table in sorted({*tables} - _NAMES_NOBODY):
            rows = sa.text(f'SELECT t::text FROM "{table}" t WHERE t::text LIKE ANY(:words)')  # noqa: S608 -- a table's name
            if found := connection.scalars(rows, {"words": words}).all():
                yield f"table {table}: {len(found)} rows name a former buyer: {found[0][:_SHOWN]}"


def _name(each: FormerBuyer) -> list[str]:
    return [word for word in (each.buyer.email, each.buyer.name) if word]


def _find_in_redis(client: redis.Redis, former: Sequence[FormerBuyer]) -> Iterator[str]:
    """Yield the keys that name a former buyer. Counts of requests name an account by its id until they run out."""
    names = {word.lower() for each in former for word in _name(each)}
    ids = {word for each in former for word in each.buyer.ids}
    for key, word in find(names | ids, read_redis(client)):
        if word in names or not 0 < int(client.pttl(key)) <= _RUNS_OUT:
            yield f"Redis: {key} names a former buyer"


def _find_in_logs(folder: Path, names: Iterable[str]) -> list[str]:
    """Return our logs that name a buyer, former or not."""
    words = [SHOPPERS, *filter(None, names)]
    files = [path for path in sorted(folder.rglob("*.log*")) if path.is_file()]
    return [
        f"log {path.name}: names a buyer"
        for path in files
        if not path.name.startswith("sandbox")
        and any(word in path.read_text("utf-8", errors="replace") for word in words)
    ]
