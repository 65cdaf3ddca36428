"""Rows for operators in the filled world: a customer, failed messages, Stripe's events, a detection."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from api.models.alert import Alert, AlertTarget
from api.models.answer import AnswerValue, AnswerVia, MatchAnswer
from api.models.base import session
from api.models.notification import Match, Notification, Priority, State
from api.models.slot import Detection, SlotRow
from api.models.stripe_event import PaymentDifference, StripeEvent, StripeEventFlag
from api.models.user import Channel, Contact, Grant, User
from configs.clock import clock
from configs.plan import PlanName
from configs.prefecture import Procedure, desks
from configs.proofs import new_key

# Addresses of pages carry these.
CUSTOMER = UUID("01900000-0000-7000-8000-000000000001")
GRANT = UUID("01900000-0000-7000-8000-000000000002")
DETECTION = UUID("01900000-0000-7000-8000-000000000003")
EVENT = "evt_1QxShown"
_FIRST_SLOT = 10**9  # behind those of watching_rows, which do not come from the sequence
_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)
_FAILURES = (  # provider, channel, reason
    *(("sendgrid", Channel.EMAIL, "attempts used up: sendgrid answered 500"),) * 3,
    ("twilio", Channel.SMS, "twilio answered 400: 21610"),
)


def write_customer(desk_id: str) -> None:
    """Write what operators see of a customer and of a desk."""
    with session() as s:
        contact = _add_customer(s)
        s.flush()
        _add_detection(s, desk_id)
        s.add_all(_make_letters(contact.id))
        s.add_all(_make_events())


def _add_customer(s: Session) -> Contact:
    now = clock()
    mail = Contact(
        channel=Channel.EMAIL, address="sacha.martin@example.org", enabled=True, verified_at=now - 9 * _DAY
    )
    s.add(User(id=CUSTOMER, email=mail.address, contacts=[mail]))
    s.flush()
    plan = {"user_id": CUSTOMER, "plan": PlanName.URGENCE_7J}
    s.add(Grant(id=GRANT, starts_at=now - _DAY, ends_at=now + 6 * _DAY, source="admin", **plan))
    s.add(Grant(starts_at=now - 30 * _DAY, ends_at=now - 23 * _DAY, source="payment", **plan))
    return mail


def _add_detection(s: Session, desk_id: str) -> None:
    desk, at = desks()[desk_id], clock() - 50 * _MINUTE
    slots = [
        SlotRow(
            id=_FIRST_SLOT + day, desk_id=desk_id, place_key="shown", place_label="Guichet 4",
            moment=f"2027-02-0{day}", seats=day, url=desk.url, opened_at=at, seen_at=at + _MINUTE,
        )
        for day in (3, 4)
    ]  # fmt: skip
    detection = Detection(
        id=DETECTION, desk_id=desk_id, prefecture_id=desk.prefecture_id, procedures=["TITRE_SEJOUR"], label=desk.label,
        site=desk.site, booking_url=desk.url, seen_at=at, committed_at=at, matched_at=at, slots=slots,
        proof_key=new_key(at),
    )  # fmt: skip
    target = AlertTarget(prefecture_id=desk.prefecture_id, procedure=Procedure.TITRE_SEJOUR)
    alert = Alert(user_id=CUSTOMER, targets=[target])
    s.add_all([detection, alert])
    s.flush()
    match = Match(alert_id=alert.id, detection_id=DETECTION, limits_version=1, decided_at=at)
    s.add(match)
    s.flush()
    s.add(
        MatchAnswer(
            match_id=match.id, value=AnswerValue.NOTHING_THERE, answered_at=at + 4 * _MINUTE, via=AnswerVia.EMAIL
        )
    )  # fmt: skip


def _make_letters(contact_id: UUID) -> list[Notification]:
    now = clock()
    return [
        Notification(
            user_id=CUSTOMER, contact_id=contact_id, channel=channel, provider=provider, reason=reason, attempts=5,
            kind="slot_detected", priority=Priority.CRITICAL, dedupe_key=f"shown-{number}", state=State.FAILED,
            failed_at=now - number * 7 * _MINUTE, next_attempt_at=now, next_nudge_at=now,
        )
        for number, (provider, channel, reason) in enumerate(_FAILURES)
    ]  # fmt: skip


def _make_events() -> list[StripeEvent | PaymentDifference]:
    at = clock() - 20 * _MINUTE
    given = {"type": "checkout.session.completed", "object_type": "checkout.session", "created_at": at}
    return [
        StripeEvent(
            id=EVENT, object_id="cs_1QxShown", received_at=at, attempts=12, flag=StripeEventFlag.GAVE_UP,
            error="APIConnectionError", **given,
        ),
        StripeEvent(id="evt_1QxDone", object_id="cs_1QxDone", received_at=at - _DAY, applied_at=at - _DAY, **given),
        PaymentDifference(
            found_at=at, object_id="pi_1QxShown", ours={"amount": 1499}, stripe={"amount": 999}, repaired=False
        ),
    ]  # fmt: skip
