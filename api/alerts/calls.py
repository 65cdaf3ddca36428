"""Calls of an alert: switched on or off, and whether the user may have them."""

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.accounts.queries import find_entitlement
from api.alerts.schemas import Voice
from api.ground.errors import ApiError
from api.ground.schemas import PlanAnswer
from api.models.alert import Alert
from api.models.user import Channel, Contact, ContactState
from configs.ground.clock import clock
from configs.world.plan import plans


@dataclass(frozen=True, slots=True)
class CallOffer:
    """Whether a user may choose calls now."""

    in_plan: bool
    has_number: bool  # confirmed, and reachable


def read_call_offer(session: Session, user_id: UUID) -> CallOffer:
    """Return whether a user's plan has calls, and whether there is a number to call."""
    held = find_entitlement(session, user_id, clock()).plan
    number = sa.select(sa.literal(1)).where(
        Contact.user_id == user_id,
        Contact.channel == Channel.SMS,
        Contact.verified_at.is_not(None),
        Contact.state == ContactState.OK,
    )
    return CallOffer(Channel.VOICE.value in held.channels, session.scalar(number.limit(1)) is not None)


def read_voice(alert: Alert) -> Voice:
    """Return the calls of an alert as the API shows them."""
    return Voice.model_construct(enabled=alert.voice_enabled)


def change_voice(session: Session, alert: Alert, wish: Voice) -> None:
    """Switch the calls of an alert on or off.

    Only switching them on needs a plan and a number: a form sends again what an alert has.

    Raises:
        ApiError: 402 where no plan of the user has calls, 409 without a confirmed number.
    """
    if wish.enabled and not alert.voice_enabled:
        _check_calls(read_call_offer(session, alert.user_id))
    alert.voice_enabled = wish.enabled


def _check_calls(offer: CallOffer) -> None:
    if not offer.in_plan:
        offers = [PlanAnswer.of(each) for each in plans().values() if Channel.VOICE.value in each.channels]
        raise ApiError(
            402, "plan-needed", "calls need a plan that has them: choose one of `plans`", plans=offers
        )
    if not offer.has_number:
        detail = "confirm a phone number first: PATCH /api/users/profile with `phone`"
        raise ApiError(409, "not-linked", detail)
