"""Books of a run: counts, and every difference in words. Each is read until nothing is wrong, or its patience ends."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.jobs.self_checks import find_broken_promises
from api.models.notification import Notification, State
from api.models.slot import Detection
from api.models.user import Channel
from api.payments.exchange.book_checks import find_book_faults
from configs.ground.clock import clock
from notifier.content.message_kind_base import SLOT_CALL
from tests.lab.chaos.accounting import CLOCKS
from tests.lab.chaos.inbox import InboxReader
from tests.lab.chaos.journal import OpeningJournal
from tests.lab.chaos.periods import CALL_ATTEMPTS
from tests.lab.chaos.subscribers import PEOPLE

_RUN = timedelta(hours=12)  # longer than any
_DOCUMENTS = timedelta(seconds=10)  # which are issued every two seconds
_HOLDS_A_PAGE = ("spider", "scrapyd")  # who dies with one: a spider, or its parent, which it does not outlive
# From the commit until the page is stored: a thread of the spider enqueues it, behind others that came at once.
_IN_HAND = timedelta(seconds=5)
_TAKES_PAGES = {
    "fill-the-disk", "restart-redis", "kill-redis", "empty-redis", "restore-older-redis", "stop-redis", "hang-redis",
}  # fmt: skip


@dataclass
class Book:
    """Numbers of a run, and what is wrong."""

    counts: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)


def wait_for(read: Callable[[], Book], patience: float) -> Book:
    """Read a book until nothing is wrong, for so many seconds at most."""
    end = time.monotonic() + patience
    while (book := read()).differences and time.monotonic() < end:
        time.sleep(2)
    return book


def read_promises(engine: sa.Engine, bound: float) -> Book:
    """Run the product's own named queries. `bound`: seconds that a message may take."""
    now = clock()
    with Session(engine) as s:
        broken = find_broken_promises(s, now - _RUN, now - timedelta(seconds=bound))
        faults = find_book_faults(s, now - _DOCUMENTS)
        counts = {
            "jobs done": "SELECT count(*) FROM jobs WHERE done_for IS NOT NULL",
            "invoices": "SELECT count(*) FROM invoices WHERE corrects_id IS NULL",
            "credit notes": "SELECT count(*) FROM invoices WHERE corrects_id IS NOT NULL",
            "exports": "SELECT count(*) FROM exports WHERE ready_at IS NOT NULL",
        }
        found = Counter({name: int(s.scalar(sa.text(query)) or 0) for name, query in counts.items()})
    return Book(
        found,
        [
            *(f"{each.check}: {each.subject}" for each in broken),
            *(f"{each.object_id}: {each.ours['book']} in the book, {each.ours['tables']}" for each in faults),
        ],
    )


def read_messages(engine: sa.Engine, inbox: InboxReader, journal: OpeningJournal) -> Book:
    """Hold our states beside what providers took: copies are counted, and each message ends by its receipt.

    A receipt that a fault lost leaves NO_RECEIPT.
    """
    book, n = Book(), Notification
    query = sa.select(n.id, n.channel, n.state, n.receipt_due_at.is_not(None), n.unknown_attempts)
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    for key, channel, state, awaits, unknown in rows:
        times = inbox.received(str(key))
        due = CALL_ATTEMPTS if channel is Channel.VOICE else 1
        book.counts["copies of unknown fate"] += max(len(times) - due, 0)
        book.counts[f"messages {state.value}"] += 1
        if len(times) > max(due, 1 + unknown):
            book.differences.append(f"{channel} {key}: taken {len(times)} times, {unknown} of them unknown")
        if channel is Channel.PUSH and state is State.SENT and not times:
            book.differences.append(f"push {key}: sent, and never came")
        is_lost = any(
            spell.loses_receipts and spell.covers(taken, CLOCKS)
            for taken in times
            for spell in journal.spells
        )
        if awaits and state is State.NO_RECEIPT and is_lost:
            book.counts["without a receipt, allowed"] += 1
        elif awaits and state in (State.SENT, State.NO_RECEIPT):
            book.differences.append(f"notification {key}: {state.value}, its receipt is missing")
    return book


def read_calls(engine: sa.Engine, inbox: InboxReader) -> Book:
    """Hold the calls and pushes that came beside who wants them, and count how often a phone rang about the same."""
    book = Book()
    query = sa.select(Notification.id).where(Notification.kind == SLOT_CALL)
    with engine.connect() as connection:
        for key in map(str, connection.scalars(query)):
            book.counts[key] += len(inbox.received(key))
    book.differences += [
        f"call {name}: rang {n} times" for name, n in book.counts.items() if n > CALL_ATTEMPTS
    ]
    callers = {each.addresses[Channel.SMS] for each in PEOPLE if each.wants_calls and each.enabled}
    browsers = {each.browser for each in PEOPLE if each.has_browser}
    strangers = (inbox.list_reached(Channel.VOICE) - callers) | (inbox.list_reached(Channel.PUSH) - browsers)
    book.differences += [f"{each} got a call or a push, and wants none" for each in sorted(strangers)]
    return Book(Counter({"calls that rang": book.counts.total()}), book.differences)


def read_proofs(engine: sa.Engine, journal: OpeningJournal, holds: Callable[[str], bool]) -> Book:
    """Hold the store beside the rows: each detection's page is there, or died with its spider or with Redis."""
    book = Book()
    query = sa.select(Detection.desk_id, Detection.committed_at, Detection.proof_key)
    with engine.connect() as connection:
        rows = connection.execute(query.order_by(Detection.committed_at)).all()
    for desk_id, committed_at, key in rows:
        at = journal.real_instant(committed_at)
        if key and holds(key):
            book.counts["proofs kept"] += 1
        elif journal.has_died(_HOLDS_A_PAGE, at - CLOCKS, at + _IN_HAND) or any(
            spell.fault in _TAKES_PAGES and spell.covers(at, _IN_HAND) for spell in journal.spells
        ):
            book.counts["proofs lost, allowed"] += 1
        else:
            book.differences.append(f"proof lost: {desk_id}, committed at {at:%H:%M:%S}: {key}")
    return book
