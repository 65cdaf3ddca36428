"""Watchability of an alert: it is refused, or kept waiting, where no check can see the slots of its desks."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.alerts.schemas import NewAlert
from api.alerts.targets import build_targets, find_prefecture, find_watched_desks
from api.errors import ApiError, invalid
from api.models.alert import Alert
from api.models.desk import DeskState
from api.models.discovery import Drift
from api.schemas import FieldError
from configs.world.desk import Desk, Procedure
from configs.world.outcome import Outcome
from configs.world.prefecture import Prefecture, desks

Lost = Mapping[str, str]  # ids of desks whose page is closed or moved, with the reason
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
            return (
                f"{self.name} is not watched: {_join_reasons(desk.unwatched_because for desk in self.desks)}"
            )
        return f"no page for {self.name} is known"


@dataclass(frozen=True, slots=True)
class UnwatchedWish:
    """Why checks cannot see the slots for a wish, and the desks of the prefecture whose slots they see."""

    reason: str
    seen: tuple[Desk, ...]


def explain_unwatched(place: Prefecture, procedure: Procedure, lost: Lost) -> UnwatchedWish | None:
    """Return why the slots for a procedure are not seen at a prefecture; None where they are."""
    item = _build_item("", place, procedure)
    return None if item.shows_slots(lost) else _explain(item, place, lost)


def check_wish(session: Session, wish: NewAlert) -> None:
    """Refuse a wish that stands in another body, as its field `alert`, and could become no alert.

    Raises:
        api.errors.ApiError: 422, with the path of each wrong field; `not_watched` with alternatives.
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
        api.errors.ApiError: 422, with the reason for each part of the body, and with alternatives.
    """
    items = list(_list_items(wish, place))
    lost = find_lost_pages(session, place.desks)
    if any(item.shows_slots(lost) for item in items):
        refused = [item for item in items if not item.is_checked]
    elif wish.accept_waiting:
        return True
    else:
        refused = items
    if refused:
        raise invalid(*(_build_error(item, lost, place) for item in refused))
    return False


def find_watchable(session: Session, place: Prefecture) -> list[Desk]:
    """Return the desks of a prefecture whose slots checks can see now."""
    lost = find_lost_pages(session, place.desks)
    return [desk for desk in place.desks if desk.shows_slots and desk.id not in lost]


def count_watched_desks(session: Session) -> int:
    """Return how many desks have slots that checks can see now."""
    seen = [desk for desk in desks().values() if desk.shows_slots]
    return len(seen) - len(find_lost_pages(session, seen))


def ensure_watchable(session: Session, alert: Alert) -> None:
    """Refuse to enable an alert whose slots no check can see.

    Raises:
        api.errors.ApiError: 409, with the reason.
    """
    about = find_watched_desks(alert.targets)
    lost = find_lost_pages(session, about)
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


def find_lost_pages(session: Session, about: Iterable[Desk]) -> Lost:
    """Return the desks whose page the prefecture has closed or moved: not for sale until it is back."""
    ids = [desk.id for desk in about]
    moved = sa.select(Drift.desk_id).where(Drift.desk_id.in_(ids), Drift.ends_at.is_(None))
    closed = sa.select(DeskState.id).where(DeskState.id.in_(ids), DeskState.last_outcome == Outcome.CLOSED)
    why = dict.fromkeys(session.scalars(moved), "the prefecture seems to have moved the page")
    return why | dict.fromkeys(session.scalars(closed), "the prefecture has closed the page")


def _explain(item: _WatchableItem, place: Prefecture, lost: Lost) -> UnwatchedWish:
    seen = tuple(desk for desk in place.desks if desk.shows_slots and desk.id not in lost)
    return UnwatchedWish(item.explain(lost), seen)


def _build_error(item: _WatchableItem, lost: Lost, place: Prefecture) -> FieldError:
    unwatched = _explain(item, place, lost)
    detail = f"{unwatched.reason}; {_name_alternatives(unwatched.seen, place)}; {_WAIT}"
    return FieldError(path=item.path, rule="not_watched", detail=detail)


def _name_alternatives(seen: tuple[Desk, ...], place: Prefecture) -> str:
    if not seen:
        return f"no slots of {place.id} are seen; where to look: {place.site}"
    served = _enumerate("procedures", (procedure for desk in seen for procedure in desk.procedures))
    return f"watched there: {_enumerate('desks', (desk.id for desk in seen))}, {served}"


def _join_reasons(reasons: Iterable[str | None]) -> str:
    return ", ".join(dict.fromkeys(filter(None, reasons)))


def _enumerate(what: str, names: Iterable[str]) -> str:
    return f"{what} {', '.join(sorted(set(names)))}"
