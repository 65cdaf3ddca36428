"""Model of the rules by which people are notified, in plain Python and without the product's own code.

Only values are shared with it: the check as a spider hands it over, and the words for an outcome.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from crawler.items import CheckItem
from crawler.reading import CoveredWindow, Slot

ZONE = ZoneInfo("Europe/Paris")
HORIZON = timedelta(days=90)
RETURNS = timedelta(minutes=5)
UNCONFIRMED = timedelta(minutes=15)
UNSEEN_AGAIN = timedelta(seconds=45)  # a message whose slots were not seen for longer is looked at
MISSING_AGAIN = timedelta(seconds=30)  # one whose slots are gone, until they stayed so for RETURNS
LAPSE = timedelta(minutes=10)

NEVER = datetime.max.replace(tzinfo=UTC)

Moment = datetime | date | None
Told = tuple[str, str, str, int]  # desk, place, moment, the how-manieth opening


@dataclass(eq=False)
class Opening:
    """A slot from when it opened to when it was gone, and stayed so for RETURNS."""

    desk: str
    place: str
    moment: Moment
    number: int
    opened: datetime
    seen: datetime
    gone: str | None = None
    gone_at: datetime = NEVER

    @property
    def key(self) -> tuple[str, str, Moment]:
        return self.desk, self.place, self.moment

    @property
    def name(self) -> Told:
        return self.desk, self.place, Slot(None, self.moment).moment_text, self.number  # type: ignore[arg-type]

    def go(self, why: str, at: datetime) -> None:
        self.gone, self.gone_at = why, max(at, self.seen)

    @property
    def returns_until(self) -> datetime:
        return self.gone_at + RETURNS if self.gone in ("taken", "lapsed") else self.seen

    def is_like(self, other: "Opening") -> bool:
        """Whether the people with a message of the other have one of this one.

        The other may have been open at an unknown hour until this hour was seen; or be an hour that lapsed while this
        place, at an unknown hour, was open.
        """
        if (self.desk, self.place) != (other.desk, other.place):
            return False
        if other.moment is None:
            stood_for = other.gone == "superseded" and other.gone_at >= self.opened
        else:
            stood_for = self.moment is None and other.gone == "lapsed" and other.opened >= self.opened
        return self is other or stood_for


@dataclass(frozen=True)
class Limits:
    """A target: a desk, or whatever serves a procedure; None is no limit."""

    desk: str | None = None
    procedure: str | None = None
    first: date | None = None
    last: date | None = None
    weekday: int | None = None
    hour: time | None = None  # from then on
    site: str | None = None

    def pass_(self, opening: Opening, site: str | None) -> bool:
        """Reject only what is known to lie outside."""
        moment = opening.moment
        local = moment.astimezone(ZONE) if isinstance(moment, datetime) else None
        day = local.date() if local else moment
        return not (
            (day and self.first and day < self.first)
            or (day and self.last and day > self.last)
            or (day and self.weekday and day.isoweekday() != self.weekday)
            or (local and self.hour and local.time() < self.hour)
            or (site and self.site and site != self.site)
        )


@dataclass(eq=False)
class Alert:
    person: int
    limits: tuple[Limits, ...]
    enabled: bool = True
    closed: bool = False
    changed_at: datetime | None = None  # its limits

    @property
    def waits(self) -> bool:
        return self.enabled and not self.closed


@dataclass(eq=False)
class Seen:
    """A detection."""

    desk: str
    at: datetime
    slots: list[Opening]
    matched: bool = False


@dataclass(eq=False)
class Message:
    """One notification: to which contact, of which slots for which alert."""

    contact: tuple[int, str]
    of: frozenset[tuple[Alert, Opening]]
    at: datetime
    state: str = "pending"
    again_at: datetime | None = None  # until then it waits for a slot of its own to be seen again

    def waits(self, now: datetime) -> bool:
        return self.state == "pending" and (self.again_at is None or now >= self.again_at)

    def says(self, alert: Alert, slot: Opening) -> bool:
        return self.state not in ("expired", "skipped") and (alert, slot) in self.of


@dataclass
class Model:
    """The world as it must be. `intervals`, `procedures` and `sites` of each desk; `channels` of each plan."""

    intervals: dict[str, timedelta]
    procedures: dict[str, set[str]]
    sites: dict[str, str]
    channels: dict[str, set[str]]
    slots: list[Opening] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    grants: list[tuple[int, str, datetime, datetime]] = field(default_factory=list)
    off: set[tuple[int, str]] = field(default_factory=set)  # contacts that are switched off
    detections: list[Seen] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    tokens: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    # Seen opens, covered closes.

    def read(self, check: CheckItem, at: datetime, now: datetime) -> Seen | None:
        """Take a check; return the detection it makes."""
        if (check.token or 0) <= self.tokens[check.desk_id]:
            return None
        if now - at > 2 * self.intervals[check.desk_id]:
            return None
        self.tokens[check.desk_id] = check.token or 0
        shown = {(slot.place.key, slot.moment) for slot in check.slots if not past(slot.moment, at)}
        timed = {place for place, moment in shown if moment is not None}
        shown -= {(place, None) for place in timed}
        were_open = self._close(check, at, shown, timed)
        shown = {each for each in shown if each[1] not in self._moments(check.desk_id, each[0])}
        vague = {each for each in shown if self._says_nothing_new(check.desk_id, *each, shown)}
        for place in {place for place, _ in vague if self._at(check.desk_id, place)}:
            before = self._newest(check.desk_id, place, None)
            if before and before.gone == "superseded":
                before.seen = at
        opened = {each: self._open(check.desk_id, *each, at) for each in shown - vague}
        return self._detect(
            check.desk_id, at, [each for (place, _), each in opened.items() if place not in were_open]
        )

    def _close(
        self, check: CheckItem, at: datetime, shown: set[tuple[str, Moment]], timed: set[str]
    ) -> set[str]:
        """Close what is gone; return the places that were open, at an unknown hour, until now."""
        were_open = set()
        for slot in self.open(check.desk_id):
            if slot.moment is None:
                were_open.add(slot.place)
            if past(slot.moment, at):
                slot.go("past", at)
            elif slot.moment is None and slot.place in timed:
                slot.go("superseded", at)
            elif (slot.place, slot.moment) in shown:
                slot.seen = at
            elif proves(check) and covers(check.covered, slot, at):
                slot.go("taken", at)
        return were_open

    def _says_nothing_new(
        self, desk: str, place: str, moment: Moment, shown: set[tuple[str, Moment]]
    ) -> bool:
        """Whether what a page shows of a place may be one of its hours: that it is open, or open on their day."""
        if moment is None:
            return bool(self._at(desk, place))
        hours = self._moments(desk, place) + [other for where, other in shown if where == place]
        days = {each.astimezone(ZONE).date() for each in hours if isinstance(each, datetime)}
        return not isinstance(moment, datetime) and moment in days

    def _open(self, desk: str, place: str, moment: Moment, at: datetime) -> Opening:
        """Open a slot; one that was gone for a moment only is open again."""
        before = self._newest(desk, place, moment)
        if before and before.gone_at > at - RETURNS:
            before.gone, before.gone_at, before.seen = None, NEVER, max(at, before.seen)
            return before
        number = before.number + 1 if before else 0
        self.slots.append(Opening(desk, place, moment, number, at, at))
        return self.slots[-1]

    def _newest(self, desk: str, place: str, moment: Moment) -> Opening | None:
        return next((each for each in reversed(self.slots) if each.key == (desk, place, moment)), None)

    def _detect(self, desk: str, at: datetime, news: list[Opening]) -> Seen | None:
        if not news:
            return None
        self.detections.append(Seen(desk, at, news))
        return self.detections[-1]

    def lapse(self, now: datetime) -> None:
        """Close what no check has been able to confirm: one that covered its place and day saw it, or closed it.

        A place whose last hours these are stays open where its page still called it so: they may be there unseen.
        """
        unseen = [
            each for each in self.slots if not each.gone and each.seen <= self._lapse_limit(each.desk, now)
        ]
        for slot in unseen:
            slot.go("lapsed", now)
        for desk, place in {(each.desk, each.place) for each in unseen}:
            before = self._newest(desk, place, None)
            was_open = before and before.gone == "superseded" and before.seen > self._lapse_limit(desk, now)
            if before and was_open and not self._at(desk, place) and self._was_never_closed(before):
                before.gone, before.gone_at = None, NEVER

    def _was_never_closed(self, before: Opening) -> bool:
        """Whether the hours of a place that was open at an unknown hour left no instant without a slot."""
        reached = before.gone_at
        hours = [
            each
            for each in self.slots
            if (each.desk, each.place) == (before.desk, before.place) and each.moment is not None
        ]
        for each in sorted(hours, key=lambda hour: hour.opened):
            if each.gone_at >= before.gone_at:
                if each.opened > reached:
                    return False
                reached = max(reached, each.gone_at)
        return True

    def _lapse_limit(self, desk: str, now: datetime) -> datetime:
        return now - max(LAPSE, 5 * self.intervals[desk])

    def open(self, desk: str) -> list[Opening]:
        return [each for each in self.slots if each.desk == desk and not each.gone]

    def _at(self, desk: str, place: str) -> list[Opening]:
        return [each for each in self.open(desk) if each.place == place]

    def _moments(self, desk: str, place: str) -> list[Moment]:
        return [each.moment for each in self._at(desk, place)]

    # Told once while it stays open, and to everyone who waits.

    def match(self, seen: Seen, now: datetime) -> None:
        """Tell of a detection, once."""
        if not seen.matched:
            seen.matched = True
            later = self.detections[self.detections.index(seen) + 1 :]
            returned = {id(slot) for other in later for slot in other.slots}  # it is theirs to tell
            here = [slot for slot in seen.slots if not slot.gone and id(slot) not in returned]
            self._tell(seen.desk, here, seen.at, now, self.alerts)
            if any(self.waits_at(alert, seen.desk, seen.at) for alert in self.alerts):
                self._wake({id(slot) for slot in here if slot.opened < seen.at}, now)

    def _wake(self, returned: set[int], now: datetime) -> None:
        """Let messages leave that wait for a slot which a detection shows again."""
        for message in self.messages:
            if message.again_at and any(id(slot) in returned for _, slot in message.of):
                message.again_at = now

    def tell_open(self, desk: str, now: datetime, alerts: Iterable[Alert]) -> None:
        """Tell these alerts of what is open now (an alert catches up; the sweep's round)."""
        fresh = [slot for slot in self.open(desk) if slot.seen > now - UNCONFIRMED]
        self._tell(desk, fresh, now, now, alerts)

    def _tell(
        self, desk: str, slots: list[Opening], entitled_at: datetime, now: datetime, alerts: Iterable[Alert]
    ) -> None:
        of: dict[int, set[tuple[Alert, Opening]]] = defaultdict(set)
        for alert in alerts:
            for slot in slots:
                if self.wants(alert, slot, entitled_at) and not self.told(alert, slot):
                    of[alert.person].add((alert, slot))
        for person, pairs in of.items():
            for contact in self.contacts(person, entitled_at):
                self.messages.append(Message(contact, frozenset(pairs), now))

    def wants(self, alert: Alert, slot: Opening, entitled_at: datetime) -> bool:
        return self.waits_at(alert, slot.desk, entitled_at) and self.passes(alert, slot)

    def waits_at(self, alert: Alert, desk: str, entitled_at: datetime) -> bool:
        return alert.waits and bool(self.plans(alert.person, entitled_at) and self._about(alert, desk))

    def passes(self, alert: Alert, slot: Opening) -> bool:
        about = self._about(alert, slot.desk)
        return any(each.pass_(slot, self.sites.get(slot.desk)) for each in about)

    def _about(self, alert: Alert, desk: str) -> list[Limits]:
        return [each for each in alert.limits if each.desk == desk or each.procedure in self.procedures[desk]]

    def told(self, alert: Alert, slot: Opening) -> bool:
        """Whether this slot was told, or one that counts as the same."""
        like = [other for other in self.slots if slot.is_like(other)]
        return any(message.says(alert, other) for message in self.messages for other in like)

    def plans(self, person: int, at: datetime) -> set[str]:
        return {plan for who, plan, start, end in self.grants if who == person and start <= at < end}

    def contacts(self, person: int, at: datetime) -> list[tuple[int, str]]:
        paid = {channel for plan in self.plans(person, at) for channel in self.channels[plan]}
        return [(person, each) for each in sorted(paid) if (person, each) not in self.off]

    def deliver(self, message: Message, now: datetime) -> None:
        """Send it with all that waits for the same contact."""
        if message.waits(now):
            for each in self.messages:
                if each.contact == message.contact and each.waits(now):
                    self.send(each, now)

    def send(self, message: Message, now: datetime) -> None:
        """Send it, unless its slots stay gone or were not seen for long, or it has no contact any more.

        Of a place that was open at an unknown hour it names the hours that were seen meanwhile; for an alert that was
        changed since, what it wants now.
        """
        wanted, waiting = list[Opening](), False
        for alert in {alert for alert, _ in message.of if alert.waits}:
            announced = [slot for who, slot in message.of if who is alert]
            mine = [each for slot in announced for each in self._stands_for(slot)]
            is_changed = alert.changed_at and alert.changed_at > message.at
            now_wanted = [each for each in mine if not is_changed or self.passes(alert, each)]
            waiting = waiting or not mine or bool(now_wanted)
            wanted += now_wanted
        here = [slot for slot in wanted if not slot.gone]
        missing = [slot.returns_until for slot in wanted if slot.gone and slot.returns_until > now]
        if message.contact in self.off or not waiting:
            message.state = "skipped"
        elif any(slot.seen >= now - UNCONFIRMED for slot in here):
            message.state = "sent"
        elif here:
            message.again_at = now + UNSEEN_AGAIN
        elif missing:
            message.again_at = min(now + MISSING_AGAIN, max(missing))
        else:
            message.state = "expired"

    def _stands_for(self, slot: Opening) -> list[Opening]:
        """Return what a message about a slot is about by now: it, or the open hours of a place whose hour was unknown."""
        if slot.gone != "superseded":
            return [slot]
        return [each for each in self.slots if not each.gone and shows_hours_of(each, slot)]

    def owed(self, now: datetime) -> list[tuple[Alert, Opening]]:
        """Return what must have been told by now and was not: empty, once nothing waits in any queue."""
        return [
            (alert, slot)
            for alert in self.alerts
            for slot in self.slots
            if not slot.gone and slot.seen > now - UNCONFIRMED
            if self.wants(alert, slot, now) and self.contacts(alert.person, now)
            if not self.told(alert, slot)
        ]


def shows_hours_of(hour: Opening, slot: Opening) -> bool:
    """Whether an hour was seen by the time that its place was no longer open at an unknown hour."""
    here = (hour.desk, hour.place) == (slot.desk, slot.place)
    return here and slot.gone == "superseded" and hour.opened <= slot.gone_at


def proves(check: CheckItem) -> bool:
    return check.outcome.value in ("slots", "no_slots")


def past(moment: Moment, at: datetime) -> bool:
    if isinstance(moment, datetime):
        return moment <= at
    return moment is not None and moment < at.astimezone(ZONE).date()


def covers(windows: Iterable[CoveredWindow], slot: Opening, at: datetime) -> bool:
    """Whether a reading answered for the slot's day at its place; of an `open` slot, for every day watched."""
    days = [slot.moment.astimezone(ZONE).date() if isinstance(slot.moment, datetime) else slot.moment]
    if slot.moment is None:
        today = at.astimezone(ZONE).date()
        days = [today + timedelta(days=ahead) for ahead in range(HORIZON.days + 1)]
    here = [each for each in windows if each.place_key in (None, slot.place)]
    return all(
        any((each.first or date.min) <= day <= (each.last or date.max) for each in here)
        for day in days
        if day
    )
