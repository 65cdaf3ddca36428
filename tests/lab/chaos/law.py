"""Book of deletions of a run: no row, key or log names former buyers, and no mail but the last one reaches them."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import redis
import sqlalchemy as sa

from api.models.base import session
from api.models.notification import Notification, State
from tests.api.privacy.traces import find, find_after_the_hourly_job, read_files, read_redis
from tests.lab.chaos.accounting import may_be_unheard
from tests.lab.chaos.books import Book
from tests.lab.chaos.consumers import Buyer, Consumers, FormerBuyer
from tests.lab.chaos.inbox import InboxMessage
from tests.lab.chaos.journal import OpeningJournal
from tests.lab.chaos.money import DELIVERS, RECEIPTS
from tests.lab.chaos.subscribers import SHOPPERS

_LAST = ("Votre compte est supprimé", "Your account is deleted")
_ON_ITS_WAY = timedelta(seconds=20)  # a mail that a provider had when the account went
_RUNS_OUT = 900_000  # milliseconds: keys that count requests by an id of the account
_NAMES_NOBODY = {"audit"}  # ids of the operators' audit belong to no row any more


def read_deletions(
    client: redis.Redis, logs: Path, *, consumers: Consumers, mails: Sequence[InboxMessage],
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
    book.differences += _find_traces([each.buyer for each in former], client, logs)
    return book


def _find_traces(former: Sequence[Buyer], client: redis.Redis, logs: Path) -> Iterator[str]:
    """Yield what names a former buyer. Counts of requests name an account by its id until they run out."""
    names = {word.lower() for each in former for word in (each.email, each.name) if word}
    ids = {word for each in former for word in each.ids}
    _age_failed_mails()
    # once the hourly job, which the run does not wait for, has done its part
    for table, word in find_after_the_hourly_job(names | ids) if former else ():
        if table not in _NAMES_NOBODY:
            yield f"table {table}: names a former buyer, {word}"
    for key, word in find(names | ids, read_redis(client)):
        if word in names or not 0 < int(client.pttl(key)) <= _RUNS_OUT:
            yield f"Redis: {key} names a former buyer"
    for log, word in find({SHOPPERS, *names}, read_files(logs)):
        if not log.startswith("sandbox"):
            yield f"log {log}: names a buyer, {word}"


def _age_failed_mails() -> None:
    """Let eight days pass for mails that no provider took: an operator may send them again for seven, to their address."""
    failed = (Notification.user_id.is_(None), Notification.state == State.FAILED)
    with session() as s:
        aged = Notification.failed_at - timedelta(days=8)
        s.execute(sa.update(Notification).where(*failed).values(failed_at=aged))


def _check_last_mails(
    former: FormerBuyer, mails: Sequence[InboxMessage], journal: OpeningJournal
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
