"""Account of the alerts of a run: lost, doubled, late, and told to strangers. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from api.models.user import Channel
from tests.lab.chaos.deliveries import Delivery
from tests.lab.chaos.journal import ACCEPTING, OpenedSlot, OpeningJournal, Slot, Spell
from tests.lab.chaos.periods import SMS_UNKNOWN
from tests.lab.chaos.subscribers import Reached, entitled

# No alert waits for these: their deaths excuse nothing.
_NOBODY = ("proofs", "background", "job-worker", "payments-worker")
_HOLDS_A_YES = ("worker", "notifier")  # who dies with one: a worker, or its parent, which takes it along
# A worker that died so long after a message was taken may have died with its yes: slow providers take a while.
_UNHEARD = timedelta(seconds=4)
_SWEPT = 5.0  # seconds in which the sweep has brought what is due
CLOCKS = timedelta(seconds=1)  # between the stand-in's clock and ours, read before and after an act

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
    worst: float = 0.0


def settle(
    journal: OpeningJournal, deliveries: Iterable[Delivery], now: datetime, bound: float
) -> DeliveryAccount:
    """Hold what came beside what was due. A slot counts when it stayed for `bound` seconds of peace.

    Where a provider was out meanwhile, its rule gives more time. A `bound` of 0 gives none at all.
    """
    came: Came = defaultdict(list)
    for delivery in deliveries:
        for slot in delivery.slots:
            came[slot, (delivery.message.channel, delivery.message.address)].append(delivery)
    account = DeliveryAccount()
    for opening in journal.openings:
        for reached in sorted(entitled(opening.desk_id)):
            found = came.get((opening.slot, reached))
            _settle_due(account, opening, reached, found, journal=journal, now=now, bound=bound)
        may = entitled(opening.desk_id)
        account.strangers += [due for due in came if due[0] == opening.slot and due[1] not in may]
    for due, several in came.items():
        _settle_doubles(account, journal, due, several)
        account.doubled += [due for spell in journal.spells if _has_extra_copies(due, several, spell)]
    return account


def _settle_due(
    account: DeliveryAccount, opening: OpenedSlot, reached: Reached, came: list[Delivery] | None, *,
    journal: OpeningJournal, now: datetime, bound: float,
) -> None:  # fmt: skip
    """Sort one message: it came in time, late, or not although its slot stayed open long enough."""
    due = (opening.slot, reached)
    end = came[0].message.received_at if came else opening.taken_at or now
    after_outage = _seconds_to_tell(opening, reached[0], end, journal) if bound else 0.0
    bound = max(bound, _seconds_after_deaths(opening, reached[0], end, journal)) if bound else bound
    longest = max(bound, after_outage)
    if not came:
        if _longest_peace(opening, end, journal) >= longest:
            account.expected += 1
            account.lost.append(due)
        return
    # From the opening, or from the end of the last harm before the message came.
    peace = max([opening.opened_at, *(ended for _, ended in _harms(journal, end))])
    took = (end - peace).total_seconds()
    account.expected += 1
    account.worst = max(account.worst, took)
    if took > bound:
        account.late.append((due, took))
    if after_outage and took > longest:
        account.after_outage.append((due, took))


def _seconds_to_tell(
    opening: OpenedSlot, channel: Channel, until: datetime, journal: OpeningJournal
) -> float:
    """Return what outages of a channel, while a slot was open, give a message to come; 0 where there was none."""
    given = [0.0]
    for spell in journal.spells:
        ended = spell.ended_at or until
        met = spell.began_at <= until and ended >= opening.opened_at
        if spell.outage and spell.outage.channel is channel and met:
            given.append(spell.outage.seconds_to_tell((ended - spell.began_at).total_seconds()))
    return max(given)


def _seconds_after_deaths(
    opening: OpenedSlot, channel: Channel, until: datetime, journal: OpeningJournal
) -> float:
    """Return what an SMS may take whose workers died twice while its slot was open: its fate was unknown each time.

    After one death it waits less than any bound.
    """
    deaths = [each for each in journal.kills if each.who in _HOLDS_A_YES]
    deaths = [each for each in deaths if opening.opened_at <= each.at <= until]
    return SMS_UNKNOWN + _SWEPT if channel is Channel.SMS and len(deaths) > 1 else 0.0


def _longest_peace(opening: OpenedSlot, until: datetime, journal: OpeningJournal) -> float:
    """Return the longest time, in seconds, in which nothing was done to the stack while the slot was open."""
    longest, quiet_since = timedelta(0), opening.opened_at
    for began, ended in sorted(_harms(journal, until)):
        longest = max(longest, began - quiet_since)
        quiet_since = max(quiet_since, ended)
    return max(longest, until - quiet_since).total_seconds()


def _harms(journal: OpeningJournal, until: datetime) -> list[tuple[datetime, datetime]]:
    """Return the beginning and end of all that was done before `until` to what people wait for."""
    harmful = [spell for spell in journal.spells if not spell.harmless]
    spells = [(spell.began_at, min(spell.ended_at or until, until)) for spell in harmful]
    kills = [(kill.at, kill.at) for kill in journal.kills if not kill.who.startswith(_NOBODY)]
    return [harm for harm in spells + kills if harm[0] < until]


def _settle_doubles(
    account: DeliveryAccount, journal: OpeningJournal, due: Due, several: Sequence[Delivery]
) -> None:
    """Sort what came more than once: each message but the last needs a reason why its yes was not heard.

    Who was told of an unknown hour may learn of one that opened there just afterwards by another message. Where the
    programs' clock was off between two messages, their slot lapsed, and came back by that clock.
    """
    for one, other in pairwise(several):
        begin, end = one.message.received_at, other.message.received_at
        if one.message.notifications & other.message.notifications:
            leave = may_be_unheard(begin, due[1][0].value, journal)
            (account.doubled_allowed if leave else account.doubled).append(due)
        elif any(
            spell.clock_offset and spell.began_at <= end and (spell.ended_at or end) >= begin - CLOCKS
            for spell in journal.spells
        ):
            account.doubled_allowed.append(due)
        elif not (one.timeless or other.timeless):
            account.doubled.append(due)


def _has_extra_copies(due: Due, several: Sequence[Delivery], spell: Spell) -> bool:
    """Whether a notification was accepted more often, during an outage, than its provider's silence leaves room for."""
    outage = spell.outage
    if not outage or outage.mode not in ACCEPTING or due[1][0] is not outage.channel:
        return False
    during = [each.message for each in several if spell.covers(each.message.received_at, timedelta(0))]
    copies = Counter(notification for message in during for notification in message.notifications)
    return max(copies.values(), default=0) > outage.most_copies


def may_be_unheard(
    taken_at: datetime, channel: str, journal: OpeningJournal, others: tuple[str, ...] = ()
) -> bool:
    """Whether the yes to a message may have been lost: a worker or its parent died then, or the provider kept it.

    `others`: programs that deliver this message too.
    """
    if journal.has_died((*_HOLDS_A_YES, *others), taken_at - CLOCKS, taken_at + _UNHEARD):
        return True
    return any(
        spell.silences == channel and spell.began_at - CLOCKS <= taken_at <= (spell.ended_at or taken_at)
        for spell in journal.spells
    )
