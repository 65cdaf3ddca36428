"""Current states of desks, joined with what the YAML files say, and their known releases."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from api.models.desk import DeskState, DeskStatus, Publication, is_current
from api.models.discovery import is_page_lost
from api.models.report import Report, ReportKind, ReportState
from api.models.slot import Detection, is_from_check
from api.models.watchability import Standings, read_standings
from api.prefectures.detections import get_public_cutoff
from api.prefectures.schemas import DeskAnswer, DeskLooks
from configs.ground.clock import clock
from configs.world.desk import Desk, WatchLevel

_WEEK, _DAY = timedelta(days=7), timedelta(days=1)
_FEWEST = 5  # people: below, a number would say who looks
Announcer = Literal["page", "source"]
_ALIAS = re.compile(r"(?P<town>.+?)-(?P<code>\d{5})(?:-(?P<number>\d+))?")
_NOT_CHECKED = "not checked yet"
_WATCHED = "watched"


def read_desk_looks(session: Session, about: Iterable[Desk]) -> dict[str, DeskLooks]:
    """Return by id the looks of the last week at those of these desks that people watch."""
    ids = [desk.id for desk in about if desk.watch is WatchLevel.PEOPLE]
    if not ids:
        return {}
    now = clock()
    people = sa.func.count(Report.user_id.distinct()).filter(Report.seen_at > now - _DAY)
    # One that counts for nothing, as a `none` without an opening, is no news of the page.
    read = Report.kind != ReportKind.UNSEEN, Report.state != ReportState.IDLE, Report.seen_at > now - _WEEK
    query = sa.select(Report.desk_id, sa.func.max(Report.seen_at), people).where(*read)
    rows = session.execute(query.where(Report.desk_id.in_(ids)).group_by(Report.desk_id)).all()
    return {key: DeskLooks(last_at=at, people=n if n >= _FEWEST else None) for key, at, n in rows}


@dataclass(frozen=True, slots=True)
class KnownRelease:
    """One time at which a desk puts slots on line; a page names no end."""

    desk: Desk
    begins_at: datetime
    ends_at: datetime | None
    announced_by: Announcer


@dataclass(frozen=True, slots=True)
class WatchStates:
    """State of some desks, what may be begun about them, and when slots were last found, as far as that is public.

    `lost`: desks whose page is closed or has moved.
    """

    states: Mapping[str, DeskState]
    found: Mapping[str, datetime]
    standings: Standings
    lost: Collection[str] = ()
    announced: Mapping[str, Collection[datetime]] = field(
        default_factory=dict
    )  # releases ahead, by their pages
    looks: Mapping[str, DeskLooks] = field(default_factory=dict)  # of people

    def get_looks(self, desk: Desk) -> DeskLooks | None:
        """Return people's looks at a desk, where they may look at it."""
        return self.looks.get(desk.id) if self.standings[desk.id].is_reported else None

    def build_answer(self, desk: Desk) -> DeskAnswer:
        """Return one desk for its subscribers."""
        state = self.states.get(desk.id) or DeskState(inconclusive=0)
        status, reason = _get_status(desk, state)
        return DeskAnswer.of_row(
            desk,
            procedures=sorted(desk.procedures),
            booking_url=desk.url,
            watch_level=self.standings[desk.id].watch_level,
            not_watchable=self.standings[desk.id].hindrance,
            status=status,
            status_reason=reason,
            wished_interval=state.wished_seconds,
            feasible_interval=state.feasible_seconds,
            achieved_interval=None
            if desk.in_rounds
            else state.achieved_seconds,  # of a visit, not of a round
            last_checked_at=state.last_check_at,
            last_proven_at=state.last_proven_at,
            sure_until=self.standings[desk.id].sure_until,
            last_slot_found_at=self.found.get(desk.id),
            consecutive_errors=state.inconclusive,
            releases_at=self._get_releases_at(desk, state),
            town_halls=_list_town_halls(state) if desk.in_rounds else None,
            looks=self.get_looks(desk),
        )

    def _get_releases_at(self, desk: Desk, state: DeskState) -> datetime | None:
        """Return when its page announces more slots; None for a page that is closed or has moved."""
        at = state.releases_at
        return at if at and at > clock() and desk.id not in self.lost else None

    def build_public_answer(self, desk: Desk) -> DeskAnswer:
        """Return one desk for the public: only its subscribers learn whether slots are open now."""
        answer, state = self.build_answer(desk), self.states.get(desk.id)
        if answer.status is DeskStatus.ACTIVE and state and state.last_check_at == state.last_proven_at:
            return answer.model_copy(update={"status_reason": _WATCHED})
        return answer


def read_watch_states(session: Session, desks: Iterable[Desk]) -> WatchStates:
    """Read the rows of these desks in two queries."""
    known = list(desks)
    given = {"ids": [desk.id for desk in known], "cutoff": get_public_cutoff(), "now": clock()}
    rows = session.execute(_select_states(), given).all()
    return WatchStates(
        states={state.id: state for state, _, _, _ in rows},
        found={state.id: found for state, _, found, _ in rows if found},
        standings=read_standings(session, known),
        lost=[state.id for state, is_lost, _, _ in rows if is_lost],
        announced={state.id: ahead for state, _, _, ahead in rows if ahead},
        looks=read_desk_looks(session, known),
    )


@cache
def _select_states() -> sa.Select[DeskState, bool, datetime | None, list[datetime] | None]:
    """Return the query for states, lost pages, last public detections and announced releases of the desks `ids`."""
    last = (
        sa.select(Detection.seen_at)
        .where(Detection.desk_id == DeskState.id, is_from_check(Detection))
        .where(Detection.seen_at <= sa.bindparam("cutoff"))
        .order_by(Detection.seen_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    ahead = (
        sa.select(sa.func.array_agg(Publication.released_at.distinct()))
        .where(
            Publication.desk_id == DeskState.id, Publication.released_at > sa.bindparam("now"), is_current()
        )
        .scalar_subquery()
    )
    ids = sa.bindparam("ids", type_=postgresql.ARRAY(sa.Text()))
    return sa.select(DeskState, is_page_lost(), last, ahead).where(DeskState.id == sa.any_(ids))


def _list_town_halls(state: DeskState) -> list[str]:
    """Return the town halls with weeks that were answered lately; keys are `<town>-<post code>`, or with a number."""
    answered = [_ALIAS.fullmatch(key) for key, weeks in (state.coverage or {}).items() if weeks]
    return sorted(_name_town_hall(**each.groupdict()) for each in answered if each)


def _name_town_hall(town: str, code: str, number: str | None) -> str:
    return f"{town.replace('-', ' ').title()} ({code})" + (f" n° {number}" if number else "")


def _get_status(desk: Desk, state: DeskState) -> tuple[DeskStatus, str]:
    if because := desk.unwatched_because:
        return DeskStatus.PAUSED, because
    return (state.status, state.status_reason) if state.status else (DeskStatus.PAUSED, _NOT_CHECKED)


def list_releases(desk: Desk, now: WatchStates, until: datetime) -> list[KnownRelease]:
    """Return the releases of a desk that are not over, in their order; none where its page closed or has moved."""
    if desk.id in now.lost or desk.is_former:
        return []
    windows = desk.list_releases(clock(), until)
    found = [KnownRelease(desk, each.begins, each.ends, "source") for each in windows]
    named = {*now.announced.get(desk.id, ()), now.build_public_answer(desk).releases_at}
    found += [
        KnownRelease(desk, at, None, "page")
        for at in named
        if at and at < until and not any(each.begins <= at <= each.ends for each in windows)
    ]
    return sorted(found, key=lambda each: each.begins_at)
