"""Content for pages: a desk with a past, an account with long names, alerts in each state, payments and messages."""

import base64
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from api.invoices.issuing import issue_due
from api.models.alert import AlertTarget, ClosedBecause
from api.models.answer import AnswerValue, AnswerVia, MatchAnswer
from api.models.appointment import Appointment
from api.models.base import new_id, session
from api.models.check import CheckDay
from api.models.contact_linking import TelegramLink
from api.models.declaration import Declaration, DeclarationKind, DeclaredBy
from api.models.delivery_figure import DeliveryFigure
from api.models.desk import DeskStatus, Outage, OutageReason
from api.models.incident import Incident, IncidentReason
from api.models.invoice import Invoice
from api.models.notice import Notice
from api.models.notification import State
from api.models.payment import Refund, RefundReason, RefundStatus, Subscription
from api.models.slot import Detection, GoneReason, SlotRow
from api.models.stripe_event import StripeEventFlag
from api.models.user import Channel, Contact, Role, User
from api.payments.book import post_ordered, post_settled
from api.payments.ledger import link_id
from configs.ground.clock import clock
from configs.ground.object_store import proof_blobs
from configs.ground.proofs import BODY, META, PICTURE, Meta, fingerprint, new_key, pack
from configs.world.outcome import Outcome
from configs.world.plan import PlanName
from configs.world.prefecture import Procedure
from tests.factories import (
    add_account,
    add_alert,
    add_contact,
    add_desk,
    add_difference,
    add_grant,
    add_match,
    add_message,
    add_payment,
    add_stripe_event,
    change,
    give_role,
    make_delivery_figure,
    rows,
    save,
    save_all,
    see,
)

PLACE = "bobigny_93"
DESK = f"{PLACE}/titre-sejour-vie-privee-familiale"
HIDDEN = "nanterre_92/titre-sejour-premiere-demande"  # behind a captcha
EMAIL = "marie-antoinette.de-la-tour-du-pin-chambly@prefecture-de-seine-saint-denis.example.org"
FORMER_EMAIL = "marie-antoinette.de-la-tour-du-pin-chambly@ancienne-adresse.example.org"
LONG_NAME = "Renouvellement-du-titre-de-séjour-de-ma-belle-mère-qui-habite-chez-nous-depuis-2"
_PAGE = b"<html>Choisissez un jour"
_PICTURE = base64.b64decode(  # one pixel
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)


@dataclass(frozen=True, slots=True)
class Content:
    """Ids that addresses of pages need."""

    user: User
    alert: UUID  # with slots, a proof and messages
    paused: UUID
    closed: UUID  # with an appointment
    detection: UUID
    message: UUID  # that announced it
    payment: UUID  # with a refund
    declaration: UUID  # a withdrawal without a login
    invoice: UUID  # of that payment
    credit_note: UUID
    notice: UUID  # a cancellation without a login
    appointment: UUID  # to come, with reminders
    incident: int  # whose alarm waits for an operator
    operator: UUID
    event: str  # of Stripe's


def write_content(language: str = "fr") -> Content:
    """Write all content, for an account with this language. The site must be served already."""
    user = add_account(EMAIL, language)
    write_history()
    alert = _write_alert(user.id, name=LONG_NAME)
    detection, slots = see("2027-01-11T08:30:00+00:00", "2027-01-11T09:00:00+00:00", desk_id=DESK)
    message = _write_messages(user.id, add_match(alert, detection, slots))
    _write_notices(user.id)
    _write_proof(detection)
    _write_report(detection, slots)
    add_difference()
    add_match(alert, *see("2027-01-12", desk_id=DESK, at=clock() - timedelta(minutes=20)))
    _write_channels(user.id)
    payment = _write_payments(user.id)
    invoice, credit_note = _issue_documents(payment)
    closed = _write_alert(user.id, closed_at=clock(), closed_because=ClosedBecause.FOUND)
    return Content(
        user=user, alert=alert, paused=_write_alert(user.id, enabled=False), closed=closed,
        appointment=_write_appointment(closed), incident=_write_incident(), operator=_create_operator(language),
        detection=detection, message=message, payment=payment, invoice=invoice, credit_note=credit_note,
        declaration=_declare(DeclarationKind.WITHDRAWAL), notice=_declare(DeclarationKind.CANCELLATION),
        event=add_stripe_event(applied_at=None, flag=StripeEventFlag.GAVE_UP, error="StripeAway", attempts=9),
    )  # fmt: skip


def write_history() -> None:
    """Let a desk be watched for weeks: openings, an outage, messages."""
    for week in range(1, 12):
        _, ids = see("2027-01-05", desk_id=DESK, at=clock() - timedelta(weeks=week, hours=week % 5))
        with session() as s:
            for each in ids:
                slot = s.get_one(SlotRow, each)
                slot.gone_at, slot.gone_reason = slot.opened_at + timedelta(minutes=4), GoneReason.TAKEN
    add_desk(
        DESK, status=DeskStatus.ACTIVE, last_check_at=clock(), last_proven_at=clock() - timedelta(minutes=3),
        wished_seconds=30, feasible_seconds=75, achieved_seconds=80, last_outcome=Outcome.SLOTS,
        releases_at=clock() + timedelta(days=2),
    )  # fmt: skip
    add_desk(HIDDEN, status=DeskStatus.ACTIVE, releases_at=clock() + timedelta(days=3))
    with session() as s:
        for days in range(1, 31):
            day = (clock() - timedelta(days=days)).date()
            s.add(CheckDay(desk_id=DESK, day=day, checks=90, proven=88, outcomes={}, achieved_seconds=80, promised_seconds=75, openings=1, updated_at=clock()))  # fmt: skip
            for channel in Channel:
                s.add(_make_figure(day, channel, days))
        for days, reason in enumerate(OutageReason, 1):
            begins = clock() - timedelta(days=days)
            s.add(Outage(desk_id=DESK, reason=reason, starts_at=begins, ends_at=begins + timedelta(hours=2)))
    write_answers()


def write_answers() -> None:
    """Let subscribers answer alerts for two months."""
    change(CheckDay, CheckDay.desk_id == DESK, alerts=87, found=2, too_late=3, nothing_there=1)


def _make_figure(day: date, channel: Channel, ago: int) -> DeliveryFigure:
    """Return the figures of a day on which all but one arrived; Telegram sends no receipts."""
    sent, most = 9 + ago, 2 + ago % 7
    tracked = 0 if channel is Channel.TELEGRAM else sent
    return make_delivery_figure(
        day, channel, sent, [0.8, most, most + 1], delivered=sent - 1, no_receipt=1, missed=int(ago % 10 == 0),
        tracked=tracked, confirmed=max(tracked - 1, 0), seen_to_delivered=[2.5, 6, 9],
    )  # fmt: skip


def _write_alert(user_id: UUID, **columns: object) -> UUID:
    target = AlertTarget(prefecture_id=PLACE, procedure=Procedure.TITRE_SEJOUR, weekdays=[1, 2])
    return add_alert(user_id, target, **columns)


def _write_appointment(alert_id: UUID) -> UUID:
    at = clock() + timedelta(days=9)
    made = Appointment(
        id=new_id(), alert_id=alert_id, at=at, first_reminder_at=at - timedelta(days=1), may_ask=True,
        dropped_at=at + timedelta(days=30),
    )  # fmt: skip
    save(made)
    return made.id


def _write_incident() -> int:
    """Write two incidents whose alarms are not acknowledged; return the id of the first."""
    made, beside = (
        Incident(subject=subject, reason=IncidentReason.MAINTENANCE, starts_at=clock(), seen_at=clock())
        for subject in ("www.example.fr:443", f"{'long.' * 20}example.fr:443")
    )
    save_all([made, beside])
    return made.id


def _create_operator(language: str) -> UUID:
    made = add_account("operator@example.org", language)
    give_role(made.id, Role.ADMIN)
    return made.id


def _write_proof(detection: UUID) -> None:
    key, blobs = new_key(clock()), proof_blobs()
    change(Detection, Detection.id == detection, proof_key=key)
    meta = Meta(
        key=key, desk=DESK, platform="ezbooking", outcome="slots", evidence="1 moment", seen_at=clock(),
        url=f"https://www.example.fr/{'booking/' * 20}", status=200, headers={}, sha256=fingerprint(_PAGE),
        size=len(_PAGE), time_zone="Europe/Paris", asked={},
    )  # fmt: skip
    blobs.put(f"{key}/{META}", meta.model_dump_json().encode())
    blobs.put(f"{key}/{BODY}", pack(_PAGE))
    blobs.put(f"{key}/{PICTURE}", _PICTURE)


def _write_messages(user_id: UUID, match_id: UUID) -> UUID:
    """Write messages about a match: one that arrived, one that failed, one under way; return the id of the first."""
    now, arrived = clock(), new_id()
    states: dict[State, dict[str, Any]] = {
        State.SENT: {"id": arrived, "accepted_at": now},
        State.FAILED: {"failed_at": now, "reason": "a test"},
        State.PENDING: {},
    }
    for state, columns in states.items():
        add_message(user_id, match_id, state=state, **columns)
    return arrived


def _write_report(detection: UUID, slots: list[int]) -> None:
    """Let another person report that the page showed nothing."""
    made = add_match(_write_alert(add_account("reporter@example.org").id), detection, slots)
    save(
        MatchAnswer(
            match_id=made, value=AnswerValue.NOTHING_THERE, answered_at=clock(), via=AnswerVia.TELEGRAM
        )
    )


def _write_notices(user_id: UUID) -> None:
    """Write notices: one to be read, one that was read, one whose slots are gone."""
    states: tuple[dict[str, Any], ...] = ({}, {"read_at": clock()}, {"gone_at": clock()})
    for columns in states:
        save(Notice(
            user_id=user_id, kind="slot_detected", language="fr", title="Créneau détecté", link="/dashboard",
            body=f"{LONG_NAME} :\nhttps://www.example.fr/{'booking/' * 20}", **columns,
        ))  # fmt: skip


def _write_channels(user_id: UUID) -> None:
    mine = (Contact.user_id == user_id, Contact.channel == Channel.EMAIL)
    change(Contact, *mine, former_address=FORMER_EMAIL, moved_at=clock())
    add_contact(user_id, Channel.SMS, "+33612345678")
    name = "Samsung-Internet-sur-le-téléphone-de-ma-belle-mère-qui-habite-chez-nous"
    add_contact(user_id, Channel.PUSH, device_name=name)
    save(
        TelegramLink(
            user_id=user_id,
            code_hash=b"0" * 32,
            expires_at=clock() + timedelta(minutes=9),
            chat_id="1",
            chat_name="Camille 🌍 " * 9,
            created_at=clock(),
        )
    )


def _declare(kind: DeclarationKind) -> UUID:
    """Write a declaration without a login that waits to be confirmed."""
    made = Declaration(
        id=new_id(), kind=kind, made_by=DeclaredBy.FORM, made_at=clock(), name=LONG_NAME,
        email=EMAIL, reference="7KQ2M9XWPA", takes_effect_at=clock() + timedelta(days=3),
    )  # fmt: skip
    save(made)
    return made.id


def _write_payments(user_id: UUID) -> UUID:
    """Write six payments, the last with a refund, and a subscription that pays for now."""
    *_, payment = [add_payment(user_id, client_name=LONG_NAME) for _ in range(6)]
    now = clock()
    with session() as s:
        refund = Refund(
            payment_id=payment,
            amount_cents=499,
            reason=RefundReason.OUTAGE,
            status=RefundStatus.SUCCEEDED,
        )
        s.add(refund)
        s.flush()
        post_ordered(s, refund, refund.payment_id)
        link_id(s, "re_1", "refund", refund)
        post_settled(s, refund, "re_1", RefundStatus.PLANNED)
        subscription = Subscription(
            user_id=user_id, plan=PlanName.URGENCE_TOTAL, status="active", period_starts_at=now,
            period_ends_at=now + timedelta(days=30), synced_at=now,
        )  # fmt: skip
        s.add(subscription)
    add_grant(user_id, days=30)
    return payment


def _issue_documents(payment: UUID) -> tuple[UUID, UUID]:
    """Issue all invoices and credit notes; return the two of a payment."""
    issue_due(60)
    mine = sorted((each for each in rows(Invoice) if each.payment_id == payment), key=lambda each: each.id)
    return mine[0].id, mine[1].id
