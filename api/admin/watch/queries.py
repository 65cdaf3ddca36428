"""Reads of desks, hosts, checks and detections for operators."""

from collections import Counter
from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.admin.watch.schemas import (
    CheckEntry,
    CheckPage,
    CheckQuery,
    DeskEntry,
    DeskPage,
    DeskQuery,
    DetectionEntry,
    DetectionLog,
    DetectionQuery,
    HostEntry,
    HostPage,
    HostQuery,
)
from api.errors import not_found
from api.models.alert import Alert, AlertTarget
from api.models.check import Check
from api.models.desk import DeskState, HostState
from api.models.notification import Match
from api.models.slot import Detection, DetectionSlot
from api.paging import cut_page, read_page
from api.prefectures.desk_queries import WatchStates, read_watch_states
from api.proofs.queries import make_proof_link
from configs.ground.clock import clock
from configs.world.desk import Desk
from configs.world.prefecture import desks


def list_desks(session: Session, wanted: DeskQuery) -> DeskPage:
    """Return a page of the desk files' desks."""
    chosen = [
        each
        for _, each in sorted(desks().items())
        if wanted.prefecture_id in (None, each.prefecture_id) and (not wanted.after or each.id > wanted.after)
    ]
    now = read_watch_states(session, chosen)
    entries = [entry for each in chosen if _is_wanted(entry := _build_desk(each, now), wanted)]
    shown, more = cut_page(entries, wanted.limit)
    return DeskPage(items=shown, next=shown[-1].id if more else None)


def read_desk(session: Session, desk: Desk) -> DeskEntry:
    """Return one desk."""
    return _build_desk(desk, read_watch_states(session, [desk]))


def find_desk(desk_id: str) -> Desk:
    """Return a desk of the desk files.

    Raises:
        api.errors.ApiError: 404.
    """
    found = desks().get(desk_id)
    if found is None:
        raise not_found("desk")
    return found


def list_hosts(session: Session, wanted: HostQuery) -> HostPage:
    """Return a page of the hosts that are watched or remembered."""
    watched = count_watched_desks()
    known = set(session.scalars(sa.select(HostState.host))) | watched.keys()
    names = sorted(each for each in known if not wanted.after or each > wanted.after)
    shown, more = cut_page(names, wanted.limit)
    return HostPage(items=_read_hosts(session, shown, watched), next=shown[-1] if more else None)


def read_host(session: Session, host: str) -> HostEntry:
    """Return one host."""
    return _read_hosts(session, [host], count_watched_desks())[0]


def read_known_host(session: Session, host: str) -> HostEntry:
    """Return a host that is watched or remembered.

    Raises:
        api.errors.ApiError: 404, nothing is known of it.
    """
    # A column takes no NUL, which the address of a page may hold.
    if "\0" in host or (not count_watched_desks()[host] and session.get(HostState, host) is None):
        raise not_found("host")
    return read_host(session, host)


def list_host_desks(session: Session, host: str) -> list[DeskEntry]:
    """Return the desks of a host that are scheduled, in the order of their ids."""
    chosen = [desk for _, desk in sorted(desks().items()) if desk.host == host and desk.schedulable]
    now = read_watch_states(session, chosen)
    return [_build_desk(each, now) for each in chosen]


def count_waiting_people(session: Session, chosen: Collection[Desk]) -> int:
    """Return how many users have an alert that waits for one of these desks."""
    named = AlertTarget.desk_id.in_([desk.id for desk in chosen])
    pairs = {(desk.prefecture_id, procedure) for desk in chosen for procedure in desk.procedures}
    served = sa.tuple_(AlertTarget.prefecture_id, AlertTarget.procedure).in_(sorted(pairs))
    query = sa.select(sa.func.count(Alert.user_id.distinct())).join(AlertTarget)
    query = query.where(Alert.enabled, Alert.closed_at.is_(None), sa.or_(named, served))
    return session.scalar(query) or 0


def count_watched_desks() -> Counter[str]:
    """Return how many desks are scheduled, by host."""
    return Counter(desk.host for desk in desks().values() if desk.schedulable)


def list_checks(session: Session, wanted: CheckQuery) -> CheckPage:
    """Return a page of checks."""
    query = sa.select(Check)
    if wanted.desk_id:
        query = query.where(Check.desk_id == wanted.desk_id)
    else:
        query = query.where(Check.started_at >= clock() - timedelta(hours=wanted.hours))
    if wanted.outcome:
        query = query.where(Check.outcome == wanted.outcome)
    if wanted.before:
        last = sa.select(Check.started_at).where(Check.id == wanted.before).scalar_subquery()
        query = query.where(sa.tuple_(Check.started_at, Check.id) < sa.tuple_(last, wanted.before))
    latest = query.order_by(Check.started_at.desc(), Check.id.desc()).limit(wanted.limit + 1)
    checks, more = cut_page(session.scalars(latest).all(), wanted.limit)
    items = [CheckEntry.model_validate(each) for each in checks]
    return CheckPage(items=items, next=items[-1].id if more else None)


def list_detections(session: Session, wanted: DetectionQuery) -> DetectionLog:
    """Return a page of detections."""
    query = sa.select(Detection)
    for column, value in (
        (Detection.prefecture_id, wanted.prefecture_id),
        (Detection.desk_id, wanted.desk_id),
    ):
        if value:
            query = query.where(column == value)
    found, following = read_page(session, query, Detection.id, wanted)
    return DetectionLog(items=build_detections(session, found), next=following)


def _is_wanted(entry: DeskEntry, wanted: DeskQuery) -> bool:
    paused = entry.paused_at is not None
    return wanted.status in (None, entry.status) and wanted.paused in (None, paused)


def _build_desk(desk: Desk, now: WatchStates) -> DeskEntry:
    state = now.states.get(desk.id) or DeskState()
    return DeskEntry(
        **dict(now.build_answer(desk)),
        host=desk.host,
        due_queue=state.due_queue,
        last_outcome=state.last_outcome,
        check_requested_at=state.check_requested_at,
        paused_at=state.paused_at,
        pause_reason=state.pause_reason,
    )


def _read_hosts(session: Session, names: Collection[str], watched: Counter[str]) -> list[HostEntry]:
    rows = session.scalars(sa.select(HostState).where(HostState.host.in_(names)))
    known = {row.host: row for row in rows}
    return [_build_host(name, known.get(name), watched[name]) for name in names]


def _build_host(name: str, row: HostState | None, watched: int) -> HostEntry:
    row = row or HostState(budget_share=1.0, rests_in_a_row=0)
    rests = row.rests_until is not None and row.rests_until > clock()
    return HostEntry(
        host=name,
        desks=watched,
        budget_share=row.budget_share,
        rests_in_a_row=row.rests_in_a_row,
        rests_until=row.rests_until if rests else None,
        rest_reason=row.rest_reason if rests else None,
        stopped_at=row.stopped_at,
        stop_reason=row.stop_reason,
    )


def build_detections(session: Session, found: Collection[Detection]) -> list[DetectionEntry]:
    """Return detections with the number of their slots and matches, in three statements whatever their number."""
    ids = [each.id for each in found]
    slots = sa.select(DetectionSlot.detection_id, sa.func.count()).group_by(DetectionSlot.detection_id)
    matches = sa.select(Match.detection_id, sa.func.count()).group_by(Match.detection_id)
    seen = _count_by_id(session, slots.where(DetectionSlot.detection_id.in_(ids)))
    matched = _count_by_id(session, matches.where(Match.detection_id.in_(ids)))
    return [
        DetectionEntry(
            id=each.id,
            prefecture_id=each.prefecture_id,
            desk_id=each.desk_id,
            label=each.label,
            site=each.site,
            slots=seen.get(each.id, 0),
            matches=matched.get(each.id, 0),
            booking_url=each.booking_url,
            proof=make_proof_link(each),
            seen_at=each.seen_at,
            committed_at=each.committed_at,
            matched_at=each.matched_at,
        )
        for each in found
    ]


def _count_by_id(session: Session, query: sa.Select[UUID, int]) -> dict[UUID, int]:
    return {key: number for key, number in session.execute(query)}  # noqa: C416 -- rows are no tuples to mypy
