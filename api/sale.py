"""Whether what a user wants to wait for can be watched at all: nobody pays for a desk whose slots nobody sees."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.alert_targets import desks_of
from api.models.alert import Alert
from api.models.desk import DeskState
from api.problems import Refused, invalid
from api.schemas.alert import NewAlert
from api.schemas.problem import FieldError
from configs.desk import Desk
from configs.outcome import Outcome
from configs.prefecture import Prefecture

_WAIT = "send acceptWaiting: true to be told when that changes"


@dataclass(frozen=True, slots=True)
class _Item:
    """One procedure or desk of a wish: where it stands in the body, what it is, and the desks that it means."""

    path: str
    name: str
    desks: tuple[Desk, ...]

    @property
    def checked(self) -> bool:
        return any(desk.schedulable for desk in self.desks)

    def seen(self, closed: set[str]) -> bool:
        """Whether slots of one of its desks can be seen."""
        return any(desk.shows_slots and desk.id not in closed for desk in self.desks)

    def reason(self, closed: set[str]) -> str:
        if any(desk.id in closed for desk in self.desks if desk.shows_slots):
            return f"the prefecture has closed the page for {self.name}"
        if self.checked:
            return (
                f"a captcha stands before the slots for {self.name}: we see that the page exists, and no more"
            )
        return f"no page for {self.name} can be watched"


def awaits_watch(session: Session, wish: NewAlert, place: Prefecture) -> bool:
    """Tell whether an alert is to be kept until it can be watched; false where it can be watched now.

    Raises:
        api.problems.Refused: 422, with the reason for each part of the wish and what else there is.
    """
    items = list(_items(wish, place))
    closed = _closed(session, place.desks)
    if any(item.seen(closed) for item in items):
        refused = [item for item in items if not item.checked]
    elif wish.accept_waiting:
        return True
    else:
        refused = items
    if refused:
        raise invalid(*(_error(item, closed, place) for item in refused))
    return False


def refuse_unwatched(session: Session, alert: Alert) -> None:
    """Refuse to let an alert wait for slots that nobody can see.

    Raises:
        api.problems.Refused: 409, with the reason.
    """
    about = desks_of(alert.targets)
    closed = _closed(session, about)
    whole = _Item("", "this alert", tuple(about))
    if not whole.seen(closed):
        raise Refused(409, "not-watched", f"{whole.reason(closed)}")


def _items(wish: NewAlert, place: Prefecture) -> Iterator[_Item]:
    for index, procedure in enumerate(wish.procedures):
        serving = tuple(desk for desk in place.desks if procedure in desk.procedures)
        yield _Item(f"procedures.{index}", f"{procedure} at {place.id}", serving)
    for index, desk_id in enumerate(wish.desk_ids):
        meant = tuple(desk for desk in place.desks if desk.id == desk_id)
        yield _Item(f"deskIds.{index}", desk_id, meant)


def _closed(session: Session, about: Iterable[Desk]) -> set[str]:
    """Return the desks whose page the prefecture has closed: out of sale until it is opened again."""
    ids = [desk.id for desk in about]
    query = sa.select(DeskState.id).where(DeskState.id.in_(ids), DeskState.last_outcome == Outcome.CLOSED)
    return set(session.scalars(query))


def _error(item: _Item, closed: set[str], place: Prefecture) -> FieldError:
    seen = [desk for desk in place.desks if desk.shows_slots and desk.id not in closed]
    served = _those("procedures", (procedure for desk in seen for procedure in desk.procedures))
    there = (
        f"watched there: {_those('desks', (desk.id for desk in seen))}, {served}"
        if seen
        else "nothing is there"
    )
    detail = f"{item.reason(closed)}; {there}; {_WAIT}"
    return FieldError(path=item.path, rule="not_watched", detail=detail)


def _those(what: str, names: Iterable[str]) -> str:
    return f"{what} {', '.join(sorted(set(names)))}"
