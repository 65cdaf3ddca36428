"""Watchability: whether checks can see the slots of a desk or a wish now, and why not."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.alerts.health_consent import check_health_consent
from api.alerts.schemas import NewAlert
from api.alerts.targets import build_targets, find_prefecture, find_watched_desks
from api.ground.errors import ApiError, invalid
from api.ground.schemas import FieldError
from api.models.address_doubts import find_doubts
from api.models.alert import Alert
from api.models.desk import DeskState
from api.models.discovery import Drift
from configs.world.desk import ROUND_SECONDS, Desk, Outcome, Procedure
from configs.world.prefecture import (
    Prefecture,
    desks,
)

Lost = Mapping[str, str]  # ids of desks that are not for sale now, with the reason
_MINUTE = 60
_WAIT = "POST /api/alerts with acceptWaiting: true to be told when that changes"


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
    """Refuse an alert that is requested in another body, as its field `alert`, and cannot be had.

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
    check_health_consent(wish, place)
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
    why |= dict.fromkeys(session.scalars(closed), "the prefecture has closed the page")
    return why | find_doubts(session, known)


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
