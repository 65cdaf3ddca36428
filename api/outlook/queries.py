"""Reads of the advice for a wish: a procedure at a prefecture."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from api.alerts.watchability import Lost, explain_unwatched, find_lost_pages
from api.cache import answer_cache
from api.figures.answers import read_desk_rates
from api.figures.schemas import AnswerRates
from api.models.desk import DeskStatus
from api.outlook.opening_history import read_opening_histories
from api.outlook.schemas import (
    OpeningHistory,
    OtherPlace,
    Outlook,
    OutlookDesk,
    PlanOffer,
    ReleaseTime,
    UnwatchedAnswer,
)
from api.prefectures.desk_queries import WatchStates, read_watch_states
from api.prefectures.map_queries import find_best_level, list_serving_desks
from api.prefectures.releases import list_releases
from api.schemas import PlanAnswer
from configs.ground.clock import clock
from configs.world.plan import PlanName, plans
from configs.world.prefecture import Desk, Prefecture, Procedure, prefectures

_MOST_PLACES = 5
_AHEAD = timedelta(days=30)  # of a release that is told
_HISTORY_SECONDS = 600.0  # 90 days change little in that time
_BEST_STATUS = tuple(DeskStatus)
_Histories = TypeAdapter(dict[str, OpeningHistory])


@dataclass(frozen=True, slots=True)
class _DeskPast:
    """What is known of desks' past, by id."""

    histories: Mapping[str, OpeningHistory]
    answers: Mapping[str, AnswerRates]


def read_outlook(session: Session, place: Prefecture, procedure: Procedure) -> Outlook:
    """Return the advice for who wants this procedure at this prefecture."""
    serving = list_serving_desks(place, procedure)
    elsewhere = _list_seen_elsewhere(place, procedure)
    lost = find_lost_pages(session, [*place.desks, *(desk for desks in elsewhere.values() for desk in desks)])
    now = read_watch_states(session, serving)
    past = _DeskPast(
        _read_histories(session, place, procedure, serving),
        read_desk_rates(session, [desk.id for desk in serving]),
    )
    desks = [_build_desk(desk, now, lost, past) for desk in serving]
    seen = [desk for desk in desks if desk.is_seen]
    feasible = _find_shortest(desk.feasible_interval for desk in seen)
    return Outlook(
        prefecture_id=place.id,
        name=place.name,
        department=place.department,
        time_zone=place.time_zone,
        procedure=procedure,
        watch_level=find_best_level(serving, lost),
        status=min((desk.status for desk in desks), key=_BEST_STATUS.index, default=None),
        last_proven_at=max((desk.last_proven_at for desk in desks if desk.last_proven_at), default=None),
        wished_interval=_find_shortest(desk.wished_interval for desk in seen),
        feasible_interval=feasible,
        achieved_interval=_find_shortest(desk.achieved_interval for desk in seen),
        desks=desks,
        plans=list_offers(feasible) if seen else [],
        unwatched=_build_unwatched(place, procedure, lost, desks, elsewhere),
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


def _build_desk(desk: Desk, now: WatchStates, lost: Lost, past: _DeskPast) -> OutlookDesk:
    releases = list_releases(desk, now, clock() + _AHEAD)
    return OutlookDesk(
        **dict(now.build_public_answer(desk)),
        is_seen=desk.shows_slots and desk.id not in lost,
        history=past.histories[desk.id],
        answers=past.answers[desk.id],
        next_release=ReleaseTime.model_validate(releases[0]) if releases else None,
    )


def _build_unwatched(
    place: Prefecture,
    procedure: Procedure,
    lost: Lost,
    desks: Sequence[OutlookDesk],
    elsewhere: Mapping[str, Sequence[Desk]],
) -> UnwatchedAnswer | None:
    found = explain_unwatched(place, procedure, lost)
    if found is None:
        return None
    releases = [desk.next_release for desk in desks if desk.next_release]
    return UnwatchedAnswer(
        reason=found.reason,
        site=place.site,
        next_release=min(releases, key=lambda each: each.begins_at, default=None),
        seen_here=sorted(desk.id for desk in found.seen),
        other_places=_list_other_places(place, elsewhere, lost),
    )


def _list_seen_elsewhere(place: Prefecture, procedure: Procedure) -> dict[str, list[Desk]]:
    """Return by prefecture the desks of others that serve the procedure and can be seen if their page is open."""
    found = {
        other.id: [desk for desk in list_serving_desks(other, procedure) if desk.shows_slots]
        for other in prefectures().values()
        if other.id != place.id
    }
    return {key: desks for key, desks in found.items() if desks}


def _list_other_places(
    place: Prefecture, elsewhere: Mapping[str, Sequence[Desk]], lost: Lost
) -> list[OtherPlace]:
    """Return the nearest other prefectures whose slots are seen."""
    open_now = {key: [desk.id for desk in desks if desk.id not in lost] for key, desks in elsewhere.items()}
    places = [
        OtherPlace(
            prefecture_id=other.id,
            name=other.name,
            department=other.department,
            desk_ids=open_now[other.id],
            distance=round(place.measure_distance(other)),
        )
        for other in prefectures().values()
        if open_now.get(other.id)
    ]
    return sorted(places, key=lambda each: each.distance)[:_MOST_PLACES]


def _find_shortest(intervals: Iterable[float | None]) -> float | None:
    return min((each for each in intervals if each is not None), default=None)
