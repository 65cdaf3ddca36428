"""Stripe's events as operators see them, and applying one again."""

from typing import Annotated

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.orm import Session

from api.ground.errors import ApiError, not_found
from api.ground.paging import Found, apply_filter, cut_page
from api.ground.schemas import Body
from api.models.stripe_event import StripeEvent, StripeEventFlag
from api.payments.exchange.events import replay_event
from api.payments.exchange.objects import find_type
from configs.world.desk import Text

StripeName = Annotated[Text, Field(max_length=255)]


class StripeEventQuery(Body):
    """Events of a type, with a flag, or not applied yet. `before`: the `next` of the page before."""

    type: StripeName | None = None
    flag: StripeEventFlag | None = None
    open: bool | None = None
    object_id: StripeName | None = None
    before: StripeName | None = None
    limit: int = Field(50, ge=1, le=100)


def list_events(session: Session, wanted: StripeEventQuery) -> Found[StripeEvent]:
    """Return a page of Stripe's events, in the order in which they arrived."""
    columns = {name: getattr(StripeEvent, name) for name in ("type", "flag", "object_id")}
    is_open = StripeEvent.next_attempt_at.is_not(None)
    query = apply_filter(sa.select(StripeEvent), wanted, open=is_open, **columns)
    place = sa.tuple_(StripeEvent.received_at, StripeEvent.id)
    if wanted.before:
        last = sa.select(StripeEvent.received_at, StripeEvent.id).where(StripeEvent.id == wanted.before)
        query = query.where(place < last.scalar_subquery())
    newest = query.order_by(StripeEvent.received_at.desc(), StripeEvent.id.desc())
    shown, more = cut_page(session.scalars(newest.limit(wanted.limit + 1)).all(), wanted.limit)
    return Found(shown, shown[-1].id if more else None)


def read_event(session: Session, event_id: str) -> StripeEvent:
    """Return an event that names an object.

    Raises:
        ApiError: 404, there is none, or it names no object.
    """
    event = session.get(StripeEvent, event_id)
    if event is None or event.object_id is None:
        raise not_found("event that names an object")
    return event


def apply_event_again(session: Session, event_id: str) -> StripeEvent:
    """Have an event applied again: nudge its object after the commit.

    Raises:
        ApiError: 404, there is none, or it names no object; 409, nothing is done about events of its type.
    """
    event = read_event(session, event_id)
    if find_type(event.type) is None:
        raise ApiError(
            409, "unknown-type", f"events of the type {event.type} are stored only: nothing applies them"
        )
    replay_event(session, event_id)
    return event
