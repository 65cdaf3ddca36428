"""Account of the deletions of a run: no row, key or log names former buyers, and no mail reaches them."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import redis
import sqlalchemy as sa

from deploy.chaos.accounting import may_be_unheard
from deploy.chaos.consumers import FormerBuyer
from deploy.chaos.inbox import ShopperMail
from deploy.chaos.journal import OpeningJournal
from deploy.chaos.subscribers import SHOPPERS
from deploy.chaos.withdrawal_accounts import DELIVERS, SUBJECTS, group

_LAST = ("Votre compte est supprimé", "Your account is deleted")
_ON_ITS_WAY = timedelta(seconds=20)  # a mail that a provider had when the account went
_RUNS_OUT = 900_000  # milliseconds: keys that count requests by an id of the account
_NAMES_NOBODY = {"audit"}  # ids of the operators' audit belong to no row any more
_ALSO_LAWFUL = (*_LAST, *SUBJECTS)


def check_last_mails(
    former: Sequence[FormerBuyer], mails: Iterable[ShopperMail], journal: OpeningJournal
) -> list[str]:
    """Return what is wrong with the mails to former buyers: one says so, receipts follow, nothing else does."""
    theirs = group((mail.address, mail) for mail in mails)
    wrong = []
    for each in former:
        mine = sorted(theirs.get(each.buyer.email, []), key=lambda mail: mail.received_at)
        last = [mail for mail in mine if mail.subject.startswith(_LAST)]
        if len({mail.notifications for mail in last}) != 1:
            wrong.append(f"{each.buyer.email}: {len(last)} mails say that the account is deleted")
        wrong += [
            f"{each.buyer.email}: the last mail came twice"
            for mail in last[:-1]
            if not may_be_unheard(mail.received_at, "email", journal, DELIVERS)
        ]
        wrong += [
            f"{each.buyer.email}: told {mail.subject!r} after the deletion"
            for mail in mine
            if mail.received_at > each.deleted_at + _ON_ITS_WAY and not mail.subject.startswith(_ALSO_LAWFUL)
        ]
    return wrong


def find_in_tables(engine: sa.Engine, former: Sequence[FormerBuyer]) -> list[str]:
    """Return the tables whose rows name a former buyer, by address, name or id."""
    needles = {word for each in former for word in _list_words(each)}
    found = []
    with engine.connect() as connection:
        tables = connection.scalars(sa.text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        for table in sorted({*tables} - _NAMES_NOBODY):
            rows = sa.text(f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE ANY(:words)')  # noqa: S608 -- a table's name
            count = connection.scalar(rows, {"words": [f"%{word}%" for word in needles]})
            found += [f"table {table}: {count} rows name a former buyer"] if count else []
    return found


def _list_words(each: FormerBuyer) -> Iterator[str]:
    yield each.buyer.email
    yield from filter(None, [each.buyer.name])
    yield from each.buyer.ids


def find_in_redis(client: redis.Redis, former: Sequence[FormerBuyer]) -> list[str]:
    """Return the keys that name a former buyer. Counts of requests name an account by its id until they run out."""
    names = {word for each in former for word in (each.buyer.email, each.buyer.name) if word}
    ids = {word for each in former for word in each.buyer.ids}
    found = []
    for key in client.scan_iter():
        text = key.decode(errors="replace") + "\n".join(_read_values(client, key))
        runs_out = 0 < int(client.pttl(key)) <= _RUNS_OUT
        if any(word in text for word in names) or (not runs_out and any(word in text for word in ids)):
            found.append(f"Redis: {key.decode(errors='replace')} names a former buyer")
    return found


def _read_values(client: Any, key: bytes) -> Iterator[str]:
    """Yield the values behind a key as text, RQ's jobs unpacked."""
    values: dict[str, Any] = {
        "string": lambda: [client.get(key) or b""],
        "hash": lambda: [part for pair in client.hgetall(key).items() for part in pair],
        "list": lambda: client.lrange(key, 0, -1),
        "set": lambda: client.smembers(key),
        "zset": lambda: client.zrange(key, 0, -1),
        "stream": lambda: [part for _, row in client.xrange(key) for pair in row.items() for part in pair],
    }
    for part in values.get(client.type(key).decode(), list)():
        with suppress(zlib.error):
            part = zlib.decompress(part)  # noqa: PLW2901 -- a job's data
        yield part.decode(errors="replace")


def find_in_logs(folder: Path, names: Iterable[str]) -> list[str]:
    """Return our logs that name a buyer, former or not."""
    words = [SHOPPERS, *filter(None, names)]
    return [
        f"log {path.name}: names a buyer"
        for path in sorted(folder.rglob("*.log*"))
        if path.is_file() and not path.name.startswith("sandbox") and _has_word(path, words)
    ]


def _has_word(path: Path, words: Sequence[str]) -> bool:
    text = path.read_text("utf-8", errors="replace")
    return any(word in text for word in words)
