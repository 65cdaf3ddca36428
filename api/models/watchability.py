"""Watchability of desks: what may be begun about a desk now, by the state that its checks left.

Doubts say what must be known of a desk whose checks prove it, before anybody may pay for it: "no slots" for ever is no
proof that people book at a stale address, which an abandoned page says for years. Such a desk
is sold only once slots were seen there, or a page of the prefecture's own site links it today; and only if the
page's own title fits the desk's label. What robots.txt forbids is sold nowhere. An operator who knows better grades it
`confirmed` in its file, with the date: then it is not stale any more.

Alerts, orders, offers and words on pages follow it. What runs follows the desk files alone: checks, intervals, holes,
refunds, running plans.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from math import ceil
from typing import Self

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.desk import DeskState, DeskStatus, HostState, is_forbidden
from api.models.discovery import DeskLink, Drift
from configs.ground.clock import clock
from configs.world.desk import ROUND_SECONDS, Desk, Outcome, WatchLevel, heartbeat_seconds
from configs.world.plan import Plan
from configs.world.prefecture import desks

_HOUR = timedelta(hours=1)
_MINUTE = 60
_HEARTBEATS, _INTERVALS = 2, 20  # a proof lasts so many, the second at the faster pace; an hour at least
_SURE_INTERVALS = 5  # after so many without a proof pages say that the last one is old
# Whether a page of the prefecture's own site linked a desk at `now`, within two days: there is a walk a day
IS_LINKED = sa.exists().where(
    DeskLink.desk_id == DeskState.id,
    DeskLink.seen_at >= sa.bindparam("now", type_=sa.DateTime(timezone=True)) - timedelta(days=2),
)
_WORD = re.compile(r"[a-z]{4,}")
_STEM = 6  # letters that forms of a word share: renouvellement, renouveler
# Words of every such page, and of none in particular
_GENERAL = re.compile(
    "avec|dans|demande|depot|guichet|page|pour|prefecture|prendre|prise|rendez|reservation|selon|votre|vous"
)


class Hindrance(StrEnum):
    """Why the slots of a desk cannot be watched now, the slightest first."""

    RETURNING = "returning"  # it was lost and is proven again, once: the second proof is waited for
    UNPROVEN = "unproven"  # being tried: no check has proven anything yet
    DOUBTED = "doubted"  # being tried: nothing proves yet that people book at its old address
    INTERRUPTED = "interrupted"  # the site refuses us, or is under maintenance
    FAILING = "failing"  # checks in a row proved nothing
    SILENT = "silent"  # the last proof is too old
    CAPTCHA = "captcha"  # a captcha appeared on a page that had none
    STOPPED = "stopped"  # by an operator, with its host or alone
    PEOPLE = "people"  # a captcha precedes its slots, and people report what they see
    MOVED = "moved"
    FORBIDDEN = "forbidden"  # by its host's robots.txt
    CLOSED = "closed"
    LONG_ROUNDS = "long_rounds"
    HIDDEN = "hidden"  # its page always asks for a captcha, and nobody reports what stands behind it
    UNWATCHED = "unwatched"  # its file says that it is not checked


_WORDS = {
    Hindrance.RETURNING: "its checks prove it again, and one more proof is waited for",
    Hindrance.UNPROVEN: "it is being tried, and no check has proven anything yet",
    Hindrance.INTERRUPTED: "its checks are interrupted",
    Hindrance.FAILING: "its last checks proved nothing",
    Hindrance.SILENT: "its last proof is too old",
    Hindrance.CAPTCHA: "a captcha has appeared on its page",
    Hindrance.STOPPED: "an operator has stopped its checks",
    Hindrance.PEOPLE: "a captcha stands before the slots, of which people tell what they see",
    Hindrance.MOVED: "the prefecture seems to have moved the page",
    Hindrance.FORBIDDEN: "its site asks programs not to read the page",
    Hindrance.CLOSED: "the prefecture has closed the page",
}
_BY_STATUS = {
    DeskStatus.ERROR: Hindrance.FAILING,
    DeskStatus.CAPTCHA: Hindrance.CAPTCHA,
    DeskStatus.PAUSED: Hindrance.INTERRUPTED,
}
_ORDER = tuple(Hindrance)


@dataclass(frozen=True, slots=True)
class Standing:
    """What may be begun about a desk; `hindrance`: None where it is watchable."""

    desk: Desk
    hindrance: Hindrance | None
    state: DeskState | None = None
    doubt: str | None = None  # why it is not for sale whatever its checks prove, in English

    @property
    def is_watchable(self) -> bool:
        """Whether its own checks prove the desk now: only then may it be sold."""
        return self.hindrance is None

    @property
    def is_reported(self) -> bool:
        """Whether people may look at the desk and report what they see: an operator's stop ends that, too."""
        return self.hindrance is Hindrance.PEOPLE

    @property
    def watch_level(self) -> WatchLevel:
        """What can be known of the desk: of one that people may not look at now, that it exists."""
        is_people = self.desk.watch is WatchLevel.PEOPLE
        return WatchLevel.PRESENCE if is_people and not self.is_reported else self.desk.watch

    @property
    def may_resume(self) -> bool:
        """Whether nothing lasting hinders it: a paused alert goes on, and time without watching is given back."""
        return not is_lasting(self.hindrance)

    @property
    def not_watchable(self) -> Hindrance | None:
        """What hinders it, by the name that answers have."""
        return self.hindrance

    @property
    def last_proven_at(self) -> datetime | None:
        """When a check last proved anything of it."""
        return self.state.last_proven_at if self.state else None

    @property
    def sure_until(self) -> datetime | None:
        """Until when its last proof says how it is watched."""
        return find_sure_until(self.state) if self.state else None

    @property
    def is_overloaded(self) -> bool:
        """Whether its site was overloaded at the last check, within the hour: pages say so, and nothing stops."""
        at = self.state.last_check_at if self.state else None
        return bool(
            self.state and self.state.last_outcome is Outcome.OVERLOADED and at and at > clock() - _HOUR
        )

    @property
    def reason(self) -> str:
        """Return why it is not watchable, in English; empty where it is."""
        if self.doubt and self.hindrance in (Hindrance.DOUBTED, Hindrance.FORBIDDEN):
            return self.doubt
        if self.hindrance is None or self.hindrance in _WORDS:
            return _WORDS[self.hindrance] if self.hindrance else ""
        if self.hindrance is not Hindrance.LONG_ROUNDS:
            return self.desk.unwatched_because or "a captcha stands before the slots"
        seconds = self.state.feasible_seconds if self.state else None
        if not seconds:
            return "how long asking all its town halls takes is not known yet"
        limit = ROUND_SECONDS // _MINUTE
        return f"asking all its town halls takes {ceil(seconds / _MINUTE)} minutes, more than {limit}"


Standings = Mapping[str, Standing]  # by id of the desk


@dataclass(frozen=True, slots=True)
class Interval:
    """Seconds between checks: those of today, and the most that may follow once all desks of a host are waited for."""

    today: float
    slowest: float

    @classmethod
    def of(cls, plan: Plan, states: Iterable[DeskState]) -> Self:
        """Return what a plan gives at these desks: that of the slowest of them."""
        known = list(states)
        today = max([float(plan.interval_seconds or 0), *(each.feasible_seconds or 0 for each in known)])
        return cls(today, max([today, *(each.slowest_seconds or 0 for each in known)]))


def read_standings(session: Session, about: Iterable[Desk]) -> dict[str, Standing]:
    """Return by id what may be begun about these desks, by one query."""
    known = {desk.id: desk for desk in about}
    moved = sa.exists().where(Drift.desk_id == DeskState.id, Drift.ends_at.is_(None))
    stopped = sa.select(sa.func.array_agg(HostState.host)).where(HostState.stopped_at.is_not(None))
    query = sa.select(DeskState, moved, stopped.scalar_subquery(), IS_LINKED).where(DeskState.id.in_(known))
    found = {}
    for state, has_moved, hosts, is_linked in session.execute(query, {"now": clock()}):
        desk = known[state.id]
        doubt = describe_doubt(desk, state, is_linked=is_linked)
        hindrance = _judge(desk, state, has_moved, hosts or (), is_doubted=doubt is not None)
        found[state.id] = Standing(desk, hindrance, state, doubt)
    return {key: found.get(key) or Standing(desk, _judge_file(desk)) for key, desk in known.items()}


def is_desk_reported(session: Session, desk_id: str) -> bool:
    """Return whether people watch a desk, and no operator has stopped it or its host: the notifier's part of it."""
    desk = desks().get(desk_id)
    if desk is None or not desk.schedulable or desk.watch is not WatchLevel.PEOPLE:
        return False
    stopped = sa.select(HostState.host).where(HostState.host == desk.host, HostState.stopped_at.is_not(None))
    is_paused = sa.exists().where(DeskState.id == desk_id, DeskState.paused_at.is_not(None))
    return not session.scalar(sa.select(sa.or_(stopped.exists(), is_paused)))


def find_watchable_desks(session: Session) -> list[Desk]:
    """Return the desks whose slots checks can see now."""
    seen = (desk for desk in desks().values() if desk.shows_slots)
    return [each.desk for each in read_standings(session, seen).values() if each.is_watchable]


def find_slightest(standings: Iterable[Standing]) -> Standing | None:
    """Return the standing that hinders least, of several the one whose proof holds longest; None without any."""
    never = datetime.min.replace(tzinfo=UTC)
    ages = sorted(standings, key=lambda each: each.sure_until or never, reverse=True)
    return min(ages, key=rank_standing, default=None)


def is_lasting(hindrance: Hindrance | None) -> bool:
    """Return whether what hinders a desk does not end by itself."""
    return hindrance is not None and _ORDER.index(hindrance) >= _ORDER.index(Hindrance.PEOPLE)


def is_unseen(hindrance: Hindrance | None) -> bool:
    """Return whether neither checks nor people see what is open at a desk, and that does not end by itself."""
    return is_lasting(hindrance) and hindrance is not Hindrance.PEOPLE


def rank_standing(standing: Standing) -> int:
    """Return the rank of what hinders a desk: -1 where it is watchable."""
    return _ORDER.index(standing.hindrance) if standing.hindrance else -1


def _judge_file(desk: Desk) -> Hindrance:
    """Return what hinders a desk of which no check is known."""
    if not desk.schedulable:
        return Hindrance.UNWATCHED
    if desk.watch is not WatchLevel.FULL:
        return Hindrance.PEOPLE if desk.watch is WatchLevel.PEOPLE else Hindrance.HIDDEN
    return Hindrance.LONG_ROUNDS if desk.in_rounds else Hindrance.UNPROVEN


def _judge(
    desk: Desk, state: DeskState, has_moved: bool, stopped: Iterable[str], *, is_doubted: bool
) -> Hindrance | None:
    by_file = None if desk.shows_slots else _judge_file(desk)
    if by_file not in (None, Hindrance.PEOPLE):
        return by_file
    lasting = {
        Hindrance.CLOSED: state.last_outcome is Outcome.CLOSED,
        Hindrance.MOVED: has_moved,
        Hindrance.FORBIDDEN: is_forbidden(desk, state.forbidden_at),
        Hindrance.LONG_ROUNDS: desk.is_round_too_long(state.feasible_seconds),
        Hindrance.STOPPED: state.paused_at is not None or desk.host in stopped,
        Hindrance.DOUBTED: is_doubted,
    }
    found = next((each for each, is_true in lasting.items() if is_true), None)
    return found or by_file or _judge_checks(state)


def _judge_checks(state: DeskState) -> Hindrance | None:
    if state.last_proven_at is None:
        return Hindrance.FAILING if state.status is DeskStatus.ERROR else Hindrance.UNPROVEN
    if by_status := _BY_STATUS.get(state.status):
        return by_status
    lasts, before = find_proof_life(state), state.proven_before_at
    if clock() - state.last_proven_at > lasts:
        return Hindrance.SILENT
    return Hindrance.RETURNING if before is None or state.last_proven_at - before > lasts else None


def find_proof_life(state: DeskState) -> timedelta:
    """Return for how long a proof of a desk counts: two heartbeats, or shorter once it was asked fast for an hour."""
    interval = max(state.wished_seconds or 0, state.share_seconds or 0)
    is_fast = state.fast_since is not None and clock() - state.fast_since >= _HOUR
    seconds = _INTERVALS * interval if is_fast else _HEARTBEATS * max(heartbeat_seconds(), interval)
    return max(_HOUR, timedelta(seconds=seconds))


def find_sure_until(state: DeskState) -> datetime | None:
    """Return until when the last proof of a desk says how it is watched; later, pages say how old that proof is.

    That is five expected intervals. Where the desk is asked faster since a moment ago, they begin then.
    """
    if state.last_proven_at is None:
        return None
    wished = state.wished_seconds or heartbeat_seconds()
    interval = max(wished, state.feasible_seconds or 0, state.share_seconds or 0)
    since = max(state.last_proven_at, state.fast_since or state.last_proven_at)
    return since + timedelta(seconds=_SURE_INTERVALS * interval)


def describe_doubt(desk: Desk, state: DeskState, *, is_linked: bool) -> str | None:
    """Return why a desk is not for sale whatever its checks prove; `is_linked`: IS_LINKED of its row."""
    if is_forbidden(desk, state.forbidden_at):
        return "its site's robots.txt forbids us the page"
    if not desk.is_tried:
        return None
    wanted = _stems(desk.label)
    # At least half of its words
    if not wanted or 2 * len(wanted & _stems(state.page_title or "")) < len(wanted):
        return "its old address answers again, but the page's title does not say that it is for this"
    if not (is_linked or state.last_slot_at):
        return "its old address answers again, and nothing proves yet that people book there"
    return None


def _stems(text: str) -> set[str]:
    plain = unicodedata.normalize("NFKD", text.lower())
    letters = "".join(each for each in plain if not unicodedata.combining(each))
    return {word[:_STEM] for word in _WORD.findall(letters) if not _GENERAL.fullmatch(word)}
