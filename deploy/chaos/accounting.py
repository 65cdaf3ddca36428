"""Account of the messages of a run: lost, doubled, late, and over the hourly caps. Pure."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from api.models.user import Channel
from deploy.chaos.deliveries import Delivery
from deploy.chaos.inbox import InboxMessage
from deploy.chaos.journal import OpenedSlot, OpeningJournal, Slot, Spell
from deploy.chaos.outages import OutageKind
from deploy.chaos.periods import CAPS, SMS_UNKNOWN
from deploy.chaos.subscribers import Reached, allowed, entitled

# No alert waits for these: their deaths excuse nothing.
_NOBODY = ("proofs", "background", "job-worker", "payments-worker", "scheduler")
_HOLDS_A_YES = ("worker", "notifier")  # who dies with one: a worker, or its parent, which takes it along
# A worker that died so long after a message was taken may have died with its yes: slow providers take a while.
_UNHEARD = timedelta(seconds=4)
_SWEPT = 5.0  # seconds in which the sweep has brought what is due
_CLOCKS = timedelta(seconds=1)  # between the stand-in's clock and ours, read before and after an act

Due = tuple[Slot, Reached]
Came = dict[Due, list[Delivery]]  # in the order in which they were taken


@dataclass
class DeliveryAccount:
    """What became of every message. `worst` is the longest recovery, in seconds."""

    expected: int = 0
    lost: list[Due] = field(default_factory=list)
    late: list[tuple[Due, float]] = field(default_factory=list)
    doubled_allowed: list[Due] = field(default_factory=list)
    doubled: list[Due] = field(default_factory=list)
    after_outage: list[tuple[Due, float]] = field(default_factory=list)  # late once its provider was back
    strangers: list[Due] = field(default_factory=list)
    over_cap: dict[Reached, int] = field(default_factory=dict)  # messages in the fullest hour
    fullest_hour: int = 0  # messages to one contact
    worst: float = 0.0

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, doubled without leave, told to the wrong person, too late or too often."""
        return not (self.lost or self.after_outage or self.doubled or self.strangers or self.over_cap)


def settle(
    journal: OpeningJournal, deliveries: Iterable[Delivery], now: datetime, bound: float
) -> DeliveryAccount:
    """Hold what came beside what was due. A slot counts when it stayed for `bound` seconds of peace.

    Where a provider was out meanwhile, its rule gives more time. A `bound` of 0 gives none at all.
    """
    came: Came = defaultdict(list)
    delivered = list(deliveries)
    for delivery in delivered:
        for slot in delivery.slots:
            came[slot, (delivery.message.channel, delivery.message.address)].append(delivery)
    account = DeliveryAccount()
    for opening in journal.openings:
        for reached in sorted(entitled(opening.desk_id)):
            found = came.get((opening.slot, reached))
            _settle_due(account, opening, reached, found, journal=journal, now=now, bound=bound)
        may = allowed(opening.desk_id)
        account.strangers += [due for due in came if due[0] == opening.slot and due[1] not in may]
    for due, several in came.items():
        _doubles(account, journal, due, several)
    account.doubled += find_extra_copies(came, journal)
    # A message without slots, such as the notice of a cap, counts against none.
    messages = [each.message for each in delivered if each.slots]
    account.over_cap = find_over_cap(messages)
    account.fullest_hour = max(count_fullest_hours(messages).values(), default=0)
    return account


def _settle_due(
    account: DeliveryAccount,
    opening: OpenedSlot,
    reached: Reached,
    came: list[Delivery] | None,
    *,
    journal: OpeningJournal,
    now: datetime,
    bound: float,
) -> None:
    """Sort one message: it came in time, late, or not although its slot stayed open long enough."""
    due = (opening.slot, reached)
    end = came[0].message.received_at if came else opening.taken_at or now
    after_outage = seconds_to_tell(opening, reached[0], end, journal) if bound else 0.0
    bound = max(bound, seconds_after_deaths(opening, reached[0], end, journal)) if bound else bound
    longest = max(bound, after_outage)
    if not came:
        if longest_peace(opening, end, journal) >= longest:
            account.expected += 1
            account.lost.append(due)
        return
    took = recovery(opening, end, journal)
    account.expected += 1
    account.worst = max(account.worst, took)
    if took > bound:
        account.late.append((due, took))
    if after_outage and took > longest:
        account.after_outage.append((due, took))


def seconds_to_tell(opening: OpenedSlot, channel: Channel, until: datetime, journal: OpeningJournal) -> float:
    """Return what outages of a channel, while a slot was open, give a message to come; 0 where there was none."""
    given = [0.0]
    for spell in journal.spells:
        ended = spell.ended_at or until
        met = spell.began_at <= until and ended >= opening.opened_at
        if spell.outage and spell.outage.channel is channel and met:
            given.append(spell.outage.seconds_to_tell((ended - spell.began_at).total_seconds()))
    return max(given)


def seconds_after_deaths(
    opening: OpenedSlot, channel: Channel, until: datetime, journal: OpeningJournal
) -> float:
    """Return what an SMS may take whose workers died twice while its slot was open: its fate was unknown each time.

    After one death it waits less than any bound.
    """
    deaths = [each for each in journal.kills if each.who in _HOLDS_A_YES]
    deaths = [each for each in deaths if opening.opened_at <= each.at <= until]
    return SMS_UNKNOWN + _SWEPT if channel is Channel.SMS and len(deaths) > 1 else 0.0


def longest_peace(opening: OpenedSlot, until: datetime, journal: OpeningJournal) -> float:
    """Return the longest time, in seconds, in which nothing was done to the stack while the slot was open."""
    longest, quiet_since = timedelta(0), opening.opened_at
    for began, ended in sorted(_harms(journal, until)):
        longest = max(longest, began - quiet_since)
        quiet_since = max(quiet_since, ended)
    return max(longest, until - quiet_since).total_seconds()


def peace(opening: OpenedSlot, until: datetime, journal: OpeningJournal) -> datetime:
    """Return since when nothing more was done to the stack, between the opening and `until`."""
    return max([opening.opened_at, *(ended for _, ended in _harms(journal, until))])


def _harms(journal: OpeningJournal, until: datetime) -> list[tuple[datetime, datetime]]:
    """Return the beginning and end of all that was done before `until` to what people wait for."""
    spells = [
        (spell.began_at, min(spell.ended_at or until, until))
        for spell in journal.spells
        if not spell.harmless
    ]
    kills = [(kill.at, kill.at) for kill in journal.kills if not kill.who.startswith(_NOBODY)]
    return [harm for harm in spells + kills if harm[0] < until]


def recovery(opening: OpenedSlot, came_at: datetime, journal: OpeningJournal) -> float:
    """Return how long a message took, in seconds, from the opening or from the last harm before it came."""
    return (came_at - peace(opening, came_at, journal)).total_seconds()


def _doubles(
    account: DeliveryAccount, journal: OpeningJournal, due: Due, several: Sequence[Delivery]
) -> None:
    """Sort what came more than once: each message but the last needs a reason why its yes was not heard.

    Who was told of an unknown hour may learn of one that opened there just afterwards by another message.
    """
    for one, other in pairwise(several):
        message = one.message
        if message.notifications & other.message.notifications:
            leave = may_be_unheard(message.received_at, due[1][0].value, journal)
            (account.doubled_allowed if leave else account.doubled).append(due)
        elif was_stepped(message.received_at, other.message.received_at, journal):
            account.doubled_allowed.append(due)
        elif not (one.timeless or other.timeless):
            account.doubled.append(due)


def was_stepped(begin: datetime, end: datetime, journal: OpeningJournal) -> bool:
    """Whether the programs' clock was off between two messages: their slot lapsed, and came back by that clock."""
    return any(
        spell.clock_offset and spell.began_at <= end and (spell.ended_at or end) >= begin - _CLOCKS
        for spell in journal.spells
    )


def find_extra_copies(came: Came, journal: OpeningJournal) -> list[Due]:
    """Return whose notification was accepted more often than its provider's silence leaves room for."""
    return [
        due
        for spell in journal.spells
        for due, several in came.items()
        if spell.outage
        and spell.outage.kind is OutageKind.SILENT
        and due[1][0] is spell.outage.channel
        and _count_copies(several, spell) > spell.outage.most_copies
    ]


def _count_copies(several: Sequence[Delivery], spell: Spell) -> int:
    """Return how often the same notification was accepted during a spell."""
    copies = Counter(
        notification
        for delivery in several
        if spell.began_at <= delivery.message.received_at <= (spell.ended_at or delivery.message.received_at)
        for notification in delivery.message.notifications
    )
    return max(copies.values(), default=0)


def may_be_unheard(
    taken_at: datetime, channel: str, journal: OpeningJournal, others: tuple[str, ...] = ()
) -> bool:
    """Whether the yes to a message may have been lost: a worker or its parent died then, or the provider kept it.

    `others`: programs that deliver this message too.
    """
    died = any(
        kill.who.startswith((*_HOLDS_A_YES, *others)) and taken_at - _CLOCKS <= kill.at <= taken_at + _UNHEARD
        for kill in journal.kills
    )
    silent = any(
        spell.silences == channel and spell.began_at - _CLOCKS <= taken_at <= (spell.ended_at or taken_at)
        for spell in journal.spells
    )
    return died or silent


_HOUR = timedelta(hours=1)


def count_fullest_hours(messages: Iterable[InboxMessage]) -> dict[Reached, int]:
    """Return the most messages that each contact got in any hour.

    A copy does not count: one whose notifications had all been accepted before, the answer unheard.
    """
    times: dict[Reached, list[datetime]] = defaultdict(list)
    seen: set[tuple[Reached, str]] = set()
    for message in messages:
        reached = (message.channel, message.address)
        told = {(reached, each) for each in message.notifications}
        if not told or told - seen:
            times[reached].append(message.received_at)
        seen |= told
    return {reached: _count_fullest(sorted(each)) for reached, each in times.items()}


def find_over_cap(messages: Iterable[InboxMessage]) -> dict[Reached, int]:
    """Return the contacts that got more in an hour than their channel's cap, and how many."""
    return {
        reached: count
        for reached, count in count_fullest_hours(messages).items()
        if count > CAPS[Channel(reached[0])]
    }


def _count_fullest(times: list[datetime]) -> int:
    """Return the most instants, of sorted ones, that lie within one hour."""
    within: deque[datetime] = deque()
    most = 0
    for each in times:
        within.append(each)
        while each - within[0] >= _HOUR:
            within.popleft()
        most = max(most, len(within))
    return most
