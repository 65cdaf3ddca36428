"""Targets of alerts: desks and limits, whether they can be watched, and consent where one reveals health."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from math import ceil
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from api.accounts.consents import HEALTH, describe_consent
from api.alerts.schemas import Limits, NewAlert
from api.ground.errors import ApiError, invalid
from api.ground.schemas import FieldError
from api.models.alert import Alert, AlertTarget
from api.models.alert import Limits as TargetLimits
from api.models.desk import DeskState
from api.models.discovery import Drift
from configs.ground.clock import clock
from configs.world.desk import ROUND_SECONDS, Desk, Outcome, Procedure, zone_of
from configs.world.prefecture import (
    Prefecture,
    UnknownDesk,
    UnknownPrefecture,
    desk,
    desks,
    prefecture,
    prefectures,
)

Lost = Mapping[str, str]  # ids of desks that are not for sale now, with the reason
_MINUTE = 60
_COLUMNS = ("prefecture_id", "procedure", "desk_id", *(each.name for each in fields(TargetLimits)))
_WAIT = "POST /api/alerts with acceptWaiting: true to be told when that changes"


def build_targets(wish: NewAlert) -> list[AlertTarget]:
    """Return the targets with their limits, not yet in a session.

    Raises:
        ApiError: 422, naming each wrong field and its possible values.
    """
    place = find_prefecture(wish)
    if errors := list(_check_desks(wish, place)):
        raise invalid(*errors)
    limits = _build_columns(wish.limits)
    targets = [
        *(AlertTarget(prefecture_id=place.id, procedure=each, **limits) for each in wish.procedures),
        *(AlertTarget(desk_id=each, **limits) for each in dict.fromkeys(wish.desk_ids)),
    ]
    if errors := list(_check_limits(wish.limits, place, find_desks(targets))):
        raise invalid(*errors)
    return targets


def select_waiting(user_id: UUID) -> sa.Select[Alert]:
    """Select the alerts of a user that wait for slots, with their targets."""
    waits = (Alert.user_id == user_id, Alert.enabled, Alert.closed_at.is_(None))
    return sa.select(Alert).where(*waits).options(selectinload(Alert.targets))


def find_watched_desks(targets: Iterable[AlertTarget]) -> list[Desk]:
    """Return the watched desks of these targets, in the order of their ids."""
    return [each for each in find_desks(targets) if each.schedulable]


def find_desks(targets: Iterable[AlertTarget]) -> list[Desk]:
    """Return all desks of these targets that the files have, in the order of their ids."""
    wanted = list(targets)
    place = prefectures().get(get_prefecture_id(wanted))
    return [
        each
        for each in sorted(place.desks if place else (), key=lambda known: known.id)
        if any(
            target.covers_desk(desk_id=each.id, prefecture_id=each.prefecture_id, procedures=each.procedures)
            for target in wanted
        )
    ]


def get_prefecture_id(targets: Iterable[AlertTarget]) -> str:
    """Return the id of the prefecture of these targets: an alert has one."""
    target = next(iter(targets))
    return target.prefecture_id or str(target.desk_id).partition("/")[0]


def find_prefecture(wish: NewAlert) -> Prefecture:
    """Return the prefecture of a requested alert.

    Raises:
        ApiError: 422, there is no such prefecture or desk.
    """
    try:
        if wish.prefecture_id is not None:
            return prefecture(wish.prefecture_id)
        return prefecture(desk(wish.desk_ids[0]).prefecture_id)
    except UnknownPrefecture as error:
        raise invalid(FieldError(path="prefectureId", rule="unknown", detail=str(error))) from None
    except UnknownDesk as error:
        raise invalid(FieldError(path="deskIds.0", rule="unknown", detail=str(error))) from None


def _check_desks(wish: NewAlert, place: Prefecture) -> Iterator[FieldError]:
    known = sorted(each.id for each in place.desks)
    for index, desk_id in enumerate(wish.desk_ids):
        if desk_id not in known:
            detail = f"{desk_id!r} is no desk of {place.id}; {_enumerate('its desks', known)}"
            yield FieldError(path=f"deskIds.{index}", rule="unknown", detail=detail)


def _check_limits(limits: Limits, place: Prefecture, about: list[Desk]) -> Iterator[FieldError]:
    sites = sorted({known.site for known in about if known.site})
    for index, site in enumerate(limits.sites):
        if site not in sites:
            detail = f"these desks are not at {site!r}; {_enumerate('their sites', sites)}"
            yield FieldError(path=f"limits.sites.{index}", rule="unknown", detail=detail)
    today = clock().astimezone(zone_of(place.time_zone)).date()
    if limits.date_to and limits.date_to < today:
        yield FieldError(path="limits.dateTo", rule="past", detail="this day is over: choose a later one")
    elif not limits.leaves_days(today):
        detail = "none of these weekdays lies between today and dateTo: no slot could pass"
        yield FieldError(path="limits.weekdays", rule="excludes_everything", detail=detail)


def describe_targets(targets: Iterable[AlertTarget]) -> set[tuple[object, ...]]:
    """Return what targets are about, to compare them with others."""
    return {
        tuple(
            tuple(value) if isinstance(value, list) else value
            for value in map(target.__getattribute__, _COLUMNS)
        )
        for target in targets
    }


def _enumerate(what: str, values: Iterable[str]) -> str:
    return f"{what}: {', '.join(values) or 'none'}"


def _build_columns(limits: Limits) -> dict[str, Any]:
    """Return the limits as columns; an empty list is null."""
    return {name: None if value == [] else value for name, value in limits}


def read_limits(target: AlertTarget) -> Limits:
    """Return the limits that all targets of an alert share; they were validated when they were written."""
    return Limits.model_construct(
        date_from=target.date_from,
        date_to=target.date_to,
        weekdays=target.weekdays or [],
        hour_from=target.hour_from,
        hour_to=target.hour_to,
        sites=target.sites or [],
    )


@dataclass(frozen=True, slots=True)
class _WatchableItem:
    """One procedure or desk of a requested alert: its path in the body, its name, and its desks."""

    path: str
    name: str
    desks: tuple[Desk, ...]

    @property
    def is_checked(self) -> bool:
        return any(desk.schedulable for desk in self.desks)

    def shows_slots(self, lost: Lost) -> bool:
        """Return whether checks can see the slots of one of its desks."""
        return any(desk.shows_slots and desk.id not in lost for desk in self.desks)

    def explain(self, lost: Lost) -> str:
        if why := next((lost[desk.id] for desk in self.desks if desk.shows_slots and desk.id in lost), None):
            return f"{why} for {self.name}"
        if self.is_checked:
            return (
                f"a captcha stands before the slots for {self.name}: we see that the page exists, and no more"
            )
        if self.desks:
            reasons = dict.fromkeys(filter(None, (desk.unwatched_because for desk in self.desks)))
            return f"{self.name} is not watched: {', '.join(reasons)}"
        return f"no page for {self.name} is known"


def explain_unwatched(place: Prefecture, procedure: Procedure, lost: Lost) -> str | None:
    """Return why the slots for a procedure are not seen at a prefecture; None where they are."""
    item = _build_item("", place, procedure)
    return None if item.shows_slots(lost) else item.explain(lost)


def check_wish(session: Session, wish: NewAlert) -> None:
    """Refuse a wish that stands in another body, as its field `alert`, and could become no alert.

    Raises:
        ApiError: 422, with the path of each wrong field; `not_watched` with alternatives.
    """
    try:
        build_targets(wish)
        must_wait_for_watch(session, wish, find_prefecture(wish))
    except ApiError as error:
        below = [
            each.model_copy(update={"path": f"alert.{each.path}" if each.path else "alert"})
            for each in error.errors
        ]
        raise invalid(*below) from None


def must_wait_for_watch(session: Session, wish: NewAlert, place: Prefecture) -> bool:
    """Return whether an alert has to wait until a desk can be watched; False where one can be watched now.

    Raises:
        ApiError: 422, with the reason for each part of the body, and with alternatives; `health_consent` where nothing
            but that is missing: for an alert that cannot be had it is good for nothing.
    """
    items = list(_list_items(wish, place))
    lost = find_unsold_desks(session, place.desks)
    is_seen = any(item.shows_slots(lost) for item in items)
    refused = [item for item in items if not item.is_checked] if is_seen else items
    if refused and (is_seen or not wish.accept_waiting):
        instead = f"{_name_alternatives(list_watchable(place, lost), place)}; {_WAIT}"
        raise invalid(
            *(
                FieldError(path=each.path, rule="not_watched", detail=f"{each.explain(lost)}; {instead}")
                for each in refused
            )
        )
    _check_health_consent(wish, place)
    return not is_seen


def find_watchable(session: Session, place: Prefecture) -> list[Desk]:
    """Return the desks of a prefecture whose slots checks can see now."""
    return list_watchable(place, find_unsold_desks(session, place.desks))


def list_watchable(place: Prefecture, lost: Lost) -> list[Desk]:
    """Return the desks of a prefecture whose slots checks can see, but those that are lost."""
    return [desk for desk in place.desks if desk.shows_slots and desk.id not in lost]


def count_watched_desks(session: Session) -> int:
    """Return how many desks have slots that checks can see now."""
    seen = [desk for desk in desks().values() if desk.shows_slots]
    return len(seen) - len(find_unsold_desks(session, seen))


def ensure_watchable(session: Session, alert: Alert) -> None:
    """Refuse to enable an alert whose slots no check can see.

    Raises:
        ApiError: 409, with the reason.
    """
    about = find_watched_desks(alert.targets)
    lost = find_unsold_desks(session, about)
    whole = _WatchableItem("", "this alert", tuple(about))
    if not whole.shows_slots(lost):
        raise ApiError(409, "not-watched", f"{whole.explain(lost)}")


def _list_items(wish: NewAlert, place: Prefecture) -> Iterator[_WatchableItem]:
    for index, procedure in enumerate(wish.procedures):
        yield _build_item(f"procedures.{index}", place, procedure)
    for index, desk_id in enumerate(wish.desk_ids):
        meant = tuple(desk for desk in place.desks if desk.id == desk_id)
        yield _WatchableItem(f"deskIds.{index}", desk_id, meant)


def _build_item(path: str, place: Prefecture, procedure: Procedure) -> _WatchableItem:
    serving = tuple(desk for desk in place.desks if procedure in desk.procedures)
    return _WatchableItem(path, f"{procedure} at {place.id}", serving)


def find_unsold_desks(session: Session, about: Iterable[Desk]) -> Lost:
    """Return the desks that are not for sale now: their page is closed or has moved, or their rounds take too long."""
    known = list(about)
    ids = [desk.id for desk in known]
    moved = sa.select(Drift.desk_id).where(Drift.desk_id.in_(ids), Drift.ends_at.is_(None))
    closed = sa.select(DeskState.id).where(DeskState.id.in_(ids), DeskState.last_outcome == Outcome.CLOSED)
    why = _find_long_rounds(session, [desk for desk in known if desk.in_rounds])
    why |= dict.fromkeys(session.scalars(moved), "the prefecture seems to have moved the page")
    return why | dict.fromkeys(session.scalars(closed), "the prefecture has closed the page")


def _find_long_rounds(session: Session, about: list[Desk]) -> dict[str, str]:
    """Return the desks, of those that are asked in rounds, whose rounds take too long or are not planned yet."""
    if not about:
        return {}
    query = sa.select(DeskState.id, DeskState.feasible_seconds)
    rows = session.execute(query.where(DeskState.id.in_([desk.id for desk in about])))
    rounds = dict(rows.all())
    limit = ROUND_SECONDS // _MINUTE
    said = {
        id_: f"asking all its town halls takes {ceil(seconds / _MINUTE)} minutes, more than {limit}"
        for id_, seconds in rounds.items()
        if seconds
    }
    return {
        desk.id: said.get(desk.id, "how long asking all its town halls takes is not known yet")
        for desk in about
        if desk.is_round_too_long(rounds.get(desk.id))
    }


def _name_alternatives(seen: list[Desk], place: Prefecture) -> str:
    if not seen:
        return f"no slots of {place.id} are seen; where to look: {place.site}"
    served = _enumerate_desks("procedures", (procedure for desk in seen for procedure in desk.procedures))
    return f"watched there: {_enumerate_desks('desks', (desk.id for desk in seen))}, {served}"


def _enumerate_desks(what: str, names: Iterable[str]) -> str:
    return f"{what} {', '.join(sorted(set(names)))}"


def _check_health_consent(wish: NewAlert, place: Prefecture) -> None:
    found = None if wish.accept_health else next(find_revealing_desks(wish, place), None)
    if found:
        detail = f"what is known of {found.id} reveals health: ask for explicit consent, and send acceptHealth: true"
        raise invalid(FieldError(path="acceptHealth", rule="health_consent", detail=detail))


def find_revealing_desks(wish: NewAlert, place: Prefecture) -> Iterator[Desk]:
    """Yield the desks for which a wish needs explicit consent."""
    return _find_revealing(wish.desk_ids, wish.procedures, place)


def note_health_consent(alert: Alert, targets: list[AlertTarget]) -> None:
    """Note the consent of an alert whose new targets need one; it keeps the time of an earlier consent."""
    if next(_find_revealing_targets(targets), None) is None:
        alert.consent = alert.consented_at = None
    elif alert.consented_at is None:
        alert.consented_at = clock()
        alert.consent = {HEALTH: describe_consent(HEALTH, "alert", alert.consented_at)}


def note_ordered_consent(alert: Alert, given_at: datetime) -> None:
    """Date the consent of an alert that a payment creates, if it needs one, by its order."""
    if alert.consent:
        alert.consented_at = given_at
        alert.consent = {HEALTH: describe_consent(HEALTH, "order", given_at)}


def list_revealing(targets: list[AlertTarget]) -> set[str]:
    """Return the desks of an alert's targets to which it needs consent."""
    return {desk.id for desk in _find_revealing_targets(targets)}


def _find_revealing_targets(targets: list[AlertTarget]) -> Iterator[Desk]:
    """Yield the desks of an alert's targets that need consent."""
    place = prefectures().get(get_prefecture_id(targets)) if targets else None
    desk_ids = [each.desk_id for each in targets if each.desk_id]
    procedures = [each.procedure for each in targets if each.procedure]
    return _find_revealing(desk_ids, procedures, place) if place else iter(())


def _find_revealing(
    desk_ids: Iterable[str], procedures: Iterable[Procedure], place: Prefecture
) -> Iterator[Desk]:
    """Yield desks that are waited for by name and reveal health, or that alone serve a procedure there."""
    named = set(desk_ids)
    yield from (desk for desk in place.desks if desk.id in named and desk.reveals_health)
    for procedure in procedures:
        serving = [desk for desk in place.desks if procedure in desk.procedures]
        if all(desk.reveals_health for desk in serving):
            yield from serving
