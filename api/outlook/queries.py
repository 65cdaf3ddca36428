"""Reads of the advice for a wish: how the desks of a procedure are watched, and how often slots open there."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from api.alerts.wishes import explain_unwatched, list_watchable
from api.ground.cache import answer_cache
from api.ground.schemas import PlanAnswer
from api.models.check import CheckDay
from api.models.slot import GoneReason, SlotRow, is_from_check
from api.models.watchability import Standing, Standings, find_slightest, read_standings
from api.outlook.schemas import (
    HeatCell,
    OpeningHistory,
    OpeningRecord,
    OtherPlace,
    Outlook,
    OutlookDesk,
    PlanOffer,
    ReleaseTime,
    UnwatchedAnswer,
    WatchFacts,
)
from api.prefectures.answer_figures import read_desk_rates
from api.prefectures.detections import get_public_cutoff
from api.prefectures.queries import list_serving_desks, round_for_public
from api.prefectures.schemas import AnswerRates
from api.prefectures.watch_states import WatchStates, list_releases, read_watch_states
from configs.ground.clock import clock
from configs.world.desk import Desk, Procedure
from configs.world.plan import PlanName, plans
from configs.world.prefecture import Prefecture, prefectures

_PERIOD = timedelta(days=90)
_HISTORY_SECONDS = 600.0  # 90 days change little in that time
# The other reasons say when we stopped looking, not when the slot went.
_REAL_ENDS = (GoneReason.TAKEN, GoneReason.PAST)
_WEEK = 7
_WEEKS = _PERIOD.days // _WEEK
_WATCHED_DAYS = 5  # of a week that counts as watched
_MOST_PLACES = 5
# What may be asked for in any department; the rest is bound to where a person lives.
_ANYWHERE = {Procedure.CARTE_IDENTITE, Procedure.PASSEPORT}
_AHEAD = timedelta(days=30)  # how far ahead releases are named
_Histories = TypeAdapter(dict[str, OpeningHistory])


def read_watch_facts(session: Session, standings: Iterable[Standing]) -> WatchFacts | None:
    """Return what is known of desks that a person may wait for together; None without any.

    Where some of them are watched, what opened is theirs, and the interval is that of the slowest.
    """
    about = list(standings)
    best = find_slightest(about)
    if best is None:
        return None
    seen = [each for each in about if each.is_watchable]
    feasible = [each.state.feasible_seconds for each in seen if each.state and each.state.feasible_seconds]
    return WatchFacts.of_row(
        best,
        is_overloaded=any(each.is_overloaded for each in seen),
        feasible_interval=max(feasible, default=None),
        record=_keep_record(session, sorted(each.desk.id for each in seen)),
    )


def _keep_record(session: Session, ids: Sequence[str]) -> OpeningRecord:
    def build() -> bytes:
        return read_opening_record(session, ids).model_dump_json(by_alias=True).encode()

    kept = answer_cache().get(f"opened:{' '.join(ids)}", build, _HISTORY_SECONDS)
    return OpeningRecord.model_validate_json(kept.body)


def read_opening_record(session: Session, ids: Sequence[str]) -> OpeningRecord:
    """Return how often slots of these desks opened in ninety days, told with the delay of all public pages."""
    ends = get_public_cutoff()
    begins = ends - _PERIOD
    mine = sa.and_(SlotRow.desk_id.in_(ids), SlotRow.opened_at.between(begins, ends), is_from_check(SlotRow))
    day = sa.cast(sa.func.timezone("UTC", SlotRow.opened_at), sa.Date)
    times = sa.func.count(sa.distinct(sa.tuple_(SlotRow.desk_id, SlotRow.opened_at)))
    # A place that is "open" counts again when its hours are shown: as one opening at most.
    shown = SlotRow.gone_reason.is_distinct_from(GoneReason.SUPERSEDED)
    opened = session.execute(sa.select(day, times, sa.func.count()).where(mine, shown).group_by(day)).all()
    lives, life = session.execute(_select_lives().where(mine, SlotRow.gone_at <= ends)).one()
    watched = sa.select(CheckDay.day).where(
        CheckDay.desk_id.in_(ids), CheckDay.proven > 0, CheckDay.day >= begins.date()
    )
    proven = Counter(_number_week(each, ends.date()) for each in set(session.scalars(watched)))
    weeks = {week for week, days in proven.items() if week in range(_WEEKS) and days >= _WATCHED_DAYS}
    return OpeningRecord(
        openings=sum(number for _, number, _ in opened),
        slots=sum(number for *_, number in opened),
        lives=lives,
        median_life=life,
        watched_weeks=len(weeks),
        opened_weeks=len(weeks & {_number_week(each, ends.date()) for each, *_ in opened}),
    )


def _select_lives(*key: Any) -> sa.Select[*tuple[Any, ...]]:
    """Return the query for how many slots were taken or past, and the median of the seconds that they were open."""
    seconds = sa.extract("epoch", SlotRow.gone_at - SlotRow.opened_at)
    median = sa.cast(sa.func.percentile_cont(0.5).within_group(seconds), sa.Float)
    return sa.select(*key, sa.func.count(), median).where(SlotRow.gone_reason.in_(_REAL_ENDS))


def _number_week(day: date, today: date) -> int:
    """Return how many whole weeks before yesterday a day lies; -1 for today, which is not over."""
    return ((today - day).days - 1) // _WEEK


def read_opening_histories(session: Session, desks: Sequence[Desk]) -> dict[str, OpeningHistory]:
    """Return by id how often slots of these desks opened. They are of one prefecture, and so of one time zone."""
    ends = get_public_cutoff()
    begins = ends - _PERIOD
    if not desks:
        return {}
    ids = [desk.id for desk in desks]
    opened = sa.and_(SlotRow.desk_id.in_(ids), SlotRow.opened_at.between(begins, ends))
    cells = _read_cells(session, opened, desks[0].time_zone)
    lives = _read_lives(session, opened, ends)
    days = _read_days(session, ids, begins)
    none = OpeningHistory(
        begins_at=begins, ends_at=ends, openings=0, slots=0, median_life=None, lives=0, watched_days=0,
        proven_checks=0, cells=[],
    )  # fmt: skip
    found = {}
    for key in ids:
        openings, slots = (sum(getattr(cell, name) for cell in cells[key]) for name in ("openings", "slots"))
        update = {"openings": openings, "slots": slots, "cells": cells[key]}
        found[key] = none.model_copy(update=update | lives.get(key, {}) | days.get(key, {}))
    return found


def _read_cells(session: Session, opened: sa.ColumnElement[bool], zone: str) -> dict[str, list[HeatCell]]:
    """Return the cells by desk: slots are counted by instant first, which is faster than distinct instants."""
    # A place that is "open" counts again when its hours are shown: as one opening at most.
    shown = SlotRow.gone_reason.is_distinct_from(GoneReason.SUPERSEDED)
    counts = sa.select(SlotRow.desk_id, SlotRow.opened_at, sa.func.count().label("slots"))
    each = (
        counts.where(opened, shown, is_from_check(SlotRow))
        .group_by(SlotRow.desk_id, SlotRow.opened_at)
        .subquery()
    )
    local = sa.func.timezone(zone, each.c.opened_at)
    weekday, hour = (sa.cast(sa.extract(part, local), sa.Integer) for part in ("isodow", "hour"))
    keys = (each.c.desk_id, weekday.label("weekday"), hour.label("hour"))
    slots = sa.cast(sa.func.sum(each.c.slots), sa.Integer).label("slots")
    query = sa.select(*keys, sa.func.count().label("openings"), slots)
    cells: dict[str, list[HeatCell]] = defaultdict(list)
    for row in session.execute(query.group_by(*keys).order_by(*keys)):
        cells[row.desk_id].append(HeatCell.model_validate(row))
    return cells


def _read_lives(
    session: Session, opened: sa.ColumnElement[bool], ends: datetime
) -> dict[str, dict[str, Any]]:
    over = _select_lives(SlotRow.desk_id).where(opened, is_from_check(SlotRow), SlotRow.gone_at <= ends)
    rows = session.execute(over.group_by(SlotRow.desk_id))
    return {key: {"lives": number, "median_life": life} for key, number, life in rows}


def _read_days(session: Session, ids: Sequence[str], begins: datetime) -> dict[str, dict[str, Any]]:
    days = sa.func.count().filter(CheckDay.proven > 0)
    query = sa.select(CheckDay.desk_id, days, sa.func.sum(CheckDay.proven))
    since = query.where(CheckDay.desk_id.in_(ids), CheckDay.day >= sa.cast(begins, sa.Date))
    rows = session.execute(since.group_by(CheckDay.desk_id))
    return {key: {"watched_days": watched, "proven_checks": proven} for key, watched, proven in rows}


def read_outlook(session: Session, place: Prefecture, procedure: Procedure) -> Outlook:
    """Return the advice for who wants this procedure at this prefecture."""
    serving = list_serving_desks(place, procedure)
    elsewhere = _list_seen_elsewhere(place, procedure)
    standings = read_standings(
        session, [*place.desks, *(desk for desks in elsewhere.values() for desk in desks)]
    )
    now = read_watch_states(session, serving)
    histories = _read_histories(session, place, procedure, serving)
    rates = read_desk_rates(session, [desk.id for desk in serving])
    desks = [_build_desk(desk, now, histories[desk.id], rates[desk.id]) for desk in serving]
    facts = read_watch_facts(session, (standings[desk.id] for desk in serving))
    others = _list_other_places(place, elsewhere, standings)
    unwatched = _build_unwatched(place, procedure, standings, desks, others)
    if unwatched:
        waiting = round_for_public(session, place.id).get(procedure)
        unwatched = unwatched.model_copy(update={"people_waiting": waiting})
    return Outlook.of_row(
        place,
        prefecture_id=place.id,
        procedure=procedure,
        facts=facts,
        desks=desks,
        plans=[] if facts is None or facts.not_watchable else list_offers(facts.feasible_interval),
        unwatched=unwatched,
    )


def list_offers(feasible: float | None) -> list[PlanOffer]:
    """Return the plans that carry an alert, cheapest first; `feasible`: the interval (seconds) that its site allows."""
    sold = [plan for name, plan in plans().items() if name is not PlanName.NONE]
    return [
        PlanOffer(
            **dict(PlanAnswer.of(plan)), expected_interval=max(plan.interval_seconds or 0, feasible or 0)
        )
        for plan in sorted(sold, key=lambda plan: plan.price_cents)
    ]


def _read_histories(
    session: Session, place: Prefecture, procedure: Procedure, desks: Sequence[Desk]
) -> dict[str, OpeningHistory]:
    def build() -> bytes:
        return _Histories.dump_json(read_opening_histories(session, desks))

    kept = answer_cache().get(f"openings:{place.id}:{procedure}", build, _HISTORY_SECONDS)
    return _Histories.validate_json(kept.body)


def _build_desk(desk: Desk, now: WatchStates, history: OpeningHistory, answers: AnswerRates) -> OutlookDesk:
    releases = list_releases(desk, now, clock() + _AHEAD)
    return OutlookDesk(
        **dict(now.build_public_answer(desk)),
        history=history,
        answers=answers,
        next_release=ReleaseTime.model_validate(releases[0]) if releases else None,
    )


def _build_unwatched(
    place: Prefecture,
    procedure: Procedure,
    standings: Standings,
    desks: Sequence[OutlookDesk],
    other_places: list[OtherPlace],
) -> UnwatchedAnswer | None:
    reason = explain_unwatched(place, procedure, standings)
    if reason is None:
        return None
    releases = [desk.next_release for desk in desks if desk.next_release]
    return UnwatchedAnswer(
        reason=reason,
        site=place.site,
        people_waiting=None,
        next_release=min(releases, key=lambda each: each.begins_at, default=None),
        seen_here=sorted(desk.id for desk in list_watchable(place, standings)),
        other_places=other_places,
    )


def _list_seen_elsewhere(place: Prefecture, procedure: Procedure) -> dict[str, list[Desk]]:
    """Return by prefecture the desks of others that serve the procedure and can be seen if their page is open.

    None where the law binds the procedure to the department of residence: advice to go elsewhere would never help.
    """
    if procedure not in _ANYWHERE:
        return {}
    found = {
        other.id: [desk for desk in list_serving_desks(other, procedure) if desk.shows_slots]
        for other in prefectures().values()
        if other.id != place.id
    }
    return {key: desks for key, desks in found.items() if desks}


def _list_other_places(
    place: Prefecture, elsewhere: Mapping[str, Sequence[Desk]], standings: Standings
) -> list[OtherPlace]:
    """Return the nearest other prefectures whose slots are seen."""
    open_now = {
        key: [desk.id for desk in desks if standings[desk.id].is_watchable]
        for key, desks in elsewhere.items()
    }
    places = [
        OtherPlace.of_row(
            other,
            prefecture_id=other.id,
            desk_ids=open_now[other.id],
            distance=round(place.measure_distance(other)),
        )
        for other in prefectures().values()
        if open_now.get(other.id)
    ]
    return sorted(places, key=lambda each: each.distance)[:_MOST_PLACES]
