"""Books of a run: counts, and every difference in words. Each is read until nothing is wrong, or its patience ends."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.jobs.self_checks import find_broken_promises
from api.models.notification import Notification, State
from api.models.report import Report, ReportKind, ReportState
from api.models.slot import Detection, is_from_check
from api.models.user import Channel
from api.payments.exchange.book_checks import find_book_faults
from configs.ground.clock import clock
from notifier.content.message_kind_base import SLOT_CALL, SLOT_DETECTED
from tests.lab.chaos.accounting import CLOCKS, may_be_unheard
from tests.lab.chaos.inbox import InboxMessage, InboxReader
from tests.lab.chaos.journal import OpeningJournal
from tests.lab.chaos.looks import DOUBTER, FREE, WATCHERS, Looks, Press
from tests.lab.chaos.periods import CALL_ATTEMPTS
from tests.lab.chaos.subscribers import PEOPLE, Reached

_RUN = timedelta(hours=12)  # longer than any
_DOCUMENTS = timedelta(seconds=10)  # which are issued every two seconds
_HOLDS_A_PAGE = ("spider", "scrapyd")  # who dies with one: a spider, or its parent, which it does not outlive
# From the commit until the page is stored: a thread of the spider enqueues it, behind others that came at once.
_IN_HAND = timedelta(seconds=5)
_LAPSES, _CONFIRMED = timedelta(minutes=10), timedelta(minutes=5)
_STEPPED = timedelta(seconds=5)  # a program takes a while with what it began in another time
_UNPAID = frozenset({Channel.EMAIL, Channel.TELEGRAM})
_OF_CHECKS = sa.text("""
SELECT 'check ' || id FROM checks WHERE desk_id = ANY(:desks) AND outcome IN ('slots', 'no_slots')
UNION ALL SELECT 'detection ' || id FROM detections WHERE desk_id = ANY(:desks) AND source <> 'report'
UNION ALL SELECT 'slot ' || id FROM slots WHERE desk_id = ANY(:desks) AND source <> 'report'""")
Came = Sequence[tuple[InboxMessage, set[str]]]  # with the desk's notifications
Told = defaultdict[str, defaultdict[Reached, list[tuple[InboxMessage, set[str]]]]]  # by desk
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
    query = sa.select(Detection.desk_id, Detection.committed_at, Detection.proof_key).where(
        is_from_check(Detection)
    )
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


def read_looks(engine: sa.Engine, looks: Looks, inbox: InboxReader, journal: OpeningJournal) -> Book:
    """Hold rows and messages beside presses. What was pressed while the programs' clock was off promises nothing."""
    book, told = Book(), _read_told(engine, inbox)
    presses = [(each, _is_stepped(each, journal)) for each in list(looks.presses)]
    with engine.connect() as connection:
        states = dict(connection.execute(sa.select(Report.id, Report.state)).tuples().all())
        of_checks = connection.scalars(_OF_CHECKS, {"desks": [desk.id for desk in looks.desks]})
        book.differences += [f"{each}: written by what people say" for each in of_checks]
    for press, is_stepped in presses:
        state = states.get(press.row) if press.row else None
        may_be_idle = press.kind is not ReportKind.SLOTS or is_stepped or clock() - press.began_at > _LAPSES
        is_final = state is ReportState.COUNTED or (state is ReportState.IDLE and may_be_idle)
        if press.row and not is_final:
            book.differences.append(f"{press}: {state.value if state else 'lost after its 202'}")
    for desk in looks.desks:
        mine = [press for press, _ in presses if press.desk_id == desk.id]
        right = [press for press, is_stepped in presses if press in mine and not is_stepped]
        found = _check_story(mine, right, told[desk.id], journal)
        book.differences += [f"{desk.id}: {each}" for each in found]
        book.counts["looks"] += sum(press.row is not None for press in mine)
        book.counts["told of looks"] += sum(map(len, told[desk.id].values()))
    return book


def _read_told(engine: sa.Engine, inbox: InboxReader) -> Told:
    query = sa.select(Notification.id, Notification.params["desk_id"].astext)
    with engine.connect() as connection:
        rows = connection.execute(query.where(Notification.kind == SLOT_DETECTED))
        desk_of = {str(key): str(desk) for key, desk in rows}
    told: Told = defaultdict(lambda: defaultdict(list))
    for message in inbox.messages():
        for desk in {desk_of[each] for each in message.notifications & desk_of.keys()}:
            its = {each for each in message.notifications if desk_of.get(each) == desk}
            told[desk][message.channel, message.address].append((message, its))
    return told


def _check_story(
    presses: Sequence[Press], right: Sequence[Press], told: Mapping[Reached, Came], journal: OpeningJournal
) -> Iterator[str]:
    """Yield who was told too much or too little; `right`: what was pressed by a clock that was right.

    By a clock that is a day ahead what was open has lapsed, and another opening is told.
    """
    kept = [each for each in right if each.row and each.kind is ReportKind.SLOTS]
    is_sure = bool(_list_sure(kept)) and kept[-1].began_at - kept[0].began_at < _CONFIRMED
    is_denied = any(each.kind is ReportKind.NONE for each in presses)
    sure_at = min(_list_sure(presses), default=clock())
    truth_at = _find_truth(presses)
    is_clear = right == presses and all(each.row for each in presses) and is_sure
    reached = {to: person for person in WATCHERS for to in person.addresses.items()}
    for to in reached.keys() | told.keys():
        channel, person, came = to[0], reached.get(to), told.get(to, ())
        may = person is not None and (person is not FREE or channel in _UNPAID)
        may_in_doubt = person is DOUBTER and channel in _UNPAID
        is_due = is_sure and may and (may_in_doubt or person is not DOUBTER)
        if not came and (is_due or (may_in_doubt and kept and not is_denied)):
            yield f"never told to {to[1]}"
        if came and not (may_in_doubt or (may and came[0][0].received_at >= sure_at - CLOCKS)):
            yield f"told to {to[1]} at {came[0][0].received_at:%H:%M:%S}, who asked for nothing in doubt"
        if (
            truth_at
            and is_clear
            and came
            and channel in _UNPAID
            and came[-1][0].received_at < truth_at - CLOCKS
        ):
            yield f"told a lie to {to[1]}, and never the truth"
        may_again = truth_at is not None and channel in _UNPAID
        for (one, its), (other, others) in pairwise(came):
            is_copy, is_unheard = its & others, may_be_unheard(one.received_at, channel.value, journal)
            if may_again and not is_copy and truth_at and other.received_at >= truth_at - CLOCKS:
                may_again = False
            elif not (is_unheard if is_copy else right != presses):
                yield f"told twice to {to[1]}"


def _list_sure(presses: Sequence[Press]) -> list[datetime]:
    """Return when slots were pressed that make them sure: by trusted people, and by others than the first."""
    slots = [each for each in presses if each.kind is ReportKind.SLOTS]
    return [each.began_at for each in slots if each.is_trusted or each.person != slots[0].person]


def _find_truth(presses: Sequence[Press]) -> datetime | None:
    """Return when two saw slots that two had denied before: what was told is told again, by what is free."""
    denied = [each.began_at for each in presses if each.kind is ReportKind.NONE]
    saw = [each.began_at for each in presses if each.kind is ReportKind.SLOTS]
    later = [at for at in saw if len(denied) > 1 and at > max(denied)]
    return later[1] if len(later) > 1 else None


def _is_stepped(press: Press, journal: OpeningJournal) -> bool:
    end = press.answered_at or clock()
    spells = [spell for spell in journal.spells if spell.clock_offset]
    return any(
        each.began_at - _STEPPED <= end and press.began_at <= (each.ended_at or end) + _STEPPED
        for each in spells
    )
