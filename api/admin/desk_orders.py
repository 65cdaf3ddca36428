"""Orders of operators about desks and hosts: rows, which the planner carries out within a second or two."""

from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.admin.audit import AuditedWork, write_instant
from api.admin.desks import count_watched_desks, find_desk
from api.ground.errors import ApiError, ensure_found
from api.ground.schemas import Body
from api.models.desk import DeskState, HostState
from configs.ground.clock import clock
from configs.ground.logs import mask_text
from configs.world.desk import Desk, Text


class Reason(Body):
    """Reason of an operator's order, for other operators. It names no person."""

    reason: Annotated[Text, Field(max_length=200, examples=["the prefecture wrote to us"])]


def pause_desk(work: AuditedWork, desk_id: str, wish: Reason) -> dict[str, Any]:
    """Have a desk not checked until it is resumed; return what changed.

    Raises:
        ApiError: 409, it is not watched anyway, or paused already.
    """
    _find_watched(desk_id)
    state = _lock_desk(work.session, desk_id)
    if state.paused_at:
        raise ApiError(409, "desk-paused", f"it is paused since {state.paused_at:%Y-%m-%d %H:%M} UTC")
    state.paused_at, state.pause_reason = clock(), wish.reason
    return {"pausedAt": [None, write_instant(state.paused_at)], "reason": mask_text(wish.reason)}


def resume_desk(work: AuditedWork, desk_id: str) -> dict[str, Any]:
    """Have a paused desk checked again, and now; return what changed.

    Raises:
        ApiError: 409, it is not paused.
    """
    state = _lock_desk(work.session, find_desk(desk_id).id)
    if state.paused_at is None:
        raise ApiError(409, "desk-not-paused", "no operator has paused this desk")
    changed = {"pausedAt": [write_instant(state.paused_at), None]}
    state.paused_at, state.pause_reason, state.check_requested_at = None, None, clock()
    return changed


def request_check(work: AuditedWork, desk_id: str) -> dict[str, Any]:
    """Have a desk checked as soon as its host may be asked; return what changed.

    Raises:
        ApiError: 409, it is not watched or paused, or its host is stopped.
    """
    desk = _find_watched(desk_id)
    state = _lock_desk(work.session, desk_id)
    if state.paused_at:
        raise ApiError(409, "desk-paused", "an operator has paused this desk: resume it")
    if work.session.scalar(sa.select(HostState.stopped_at).where(HostState.host == desk.host)):
        raise ApiError(409, "host-stopped", f"an operator has stopped {desk.host}: let it go first")
    state.check_requested_at = clock()
    return {"checkRequestedAt": write_instant(state.check_requested_at)}


def stop_host(work: AuditedWork, host: str, wish: Reason) -> dict[str, Any]:
    """Have a host asked nothing more, and note the reason; return what changed.

    Raises:
        ApiError: 404, no watched desk is there.
    """
    state = _lock_host(work.session, host)
    before, state.stopped_at = state.stopped_at, clock()
    state.stop_reason, state.updated_at = wish.reason, state.stopped_at
    instants = [write_instant(before), write_instant(state.stopped_at)]
    return {"stoppedAt": instants, "reason": mask_text(wish.reason)}


def release_host(work: AuditedWork, host: str) -> dict[str, Any]:
    """Let a stopped host be asked again; its rests and budgets stay. Return what changed.

    Raises:
        ApiError: 404, nothing is known of it; 409, it is not stopped.
    """
    state = _lock_host(work.session, host)
    if state.stopped_at is None:
        raise ApiError(409, "host-not-stopped", "no operator has stopped this host")
    changed = {"stoppedAt": [write_instant(state.stopped_at), None]}
    state.stopped_at, state.stop_reason, state.updated_at = None, None, clock()
    return changed


def _find_watched(desk_id: str) -> Desk:
    desk = find_desk(desk_id)
    if because := desk.unwatched_because:
        raise ApiError(409, "not-watched", f"this desk is not watched: {because}")
    return desk


def _lock_desk(session: Session, desk_id: str) -> DeskState:
    """Return a desk's row under a lock; it is made where the planner has not seen the desk yet."""
    session.execute(insert(DeskState).values(id=desk_id).on_conflict_do_nothing())
    return session.get_one(DeskState, desk_id, with_for_update={"key_share": True})


def _lock_host(session: Session, host: str) -> HostState:
    """Return a host's row under a lock; it is made where the host is watched and never refused us.

    Raises:
        ApiError: 404, nothing is known of it.
    """
    if count_watched_desks()[host]:
        session.execute(insert(HostState).values(host=host).on_conflict_do_nothing())
    return ensure_found(session.get(HostState, host, with_for_update={"key_share": True}), "host")
