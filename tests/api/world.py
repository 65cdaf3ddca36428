"""Helpers for tests of the API: people, plans, seen slots, and the rows that result."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from api.models.alert import Alert, AlertTarget
from api.models.base import engine, session
from api.models.desk import DeskState
from api.models.incident import Incident, IncidentReason
from api.models.notification import Match, MatchSlot
from api.models.payment import Payment, PaymentEvent, PaymentEventKind
from api.models.slot import Detection, SlotRow
from api.models.stripe_event import PaymentDifference, StripeEvent
from api.models.user import Contact, Grant
from api.payments.postings import post_paid
from configs.clock import clock
from configs.plan import PlanName

PASSWORD = "correct horse battery"
BOBIGNY = "bobigny_93/titre-sejour"
# Desk files of a small world: bobigny_93 (three desks, one of them stale), melun_77 (one), cergy_95 (none).
PREFECTURES = Path(__file__).parent / "prefectures"


@dataclass
class Door:
    """Calls of the API at the notifier's front door, in order."""

    nudged: list[UUID]
    caught_up: list[UUID]


@dataclass
class Person:
    """A user and the header that signs them in."""

    id: UUID
    email: str
    headers: dict[str, str]
    login_id: UUID

    def holds(self, plan: PlanName, days: float = 1, starts: float = 0) -> None:
        """Grant a plan from `starts` days from now on."""
        now = clock() + timedelta(days=starts)
        with session() as s:
            s.add(
                Grant(
                    user_id=self.id,
                    plan=plan,
                    starts_at=now,
                    ends_at=now + timedelta(days=days),
                    source="test",
                )
            )


def reveal_health(folder: Path, settings_env: Callable[..., None]) -> None:
    """Have the desk BOBIGNY bear a name that reveals health; ask for the app before."""
    shutil.copytree(PREFECTURES, folder / "prefectures")
    file = folder / "prefectures" / "bobigny_93.yaml"
    before = 'label: "Titre de séjour : vie privée et familiale"'
    after = "label: Étrangers malades\n    neutral_label: Titre de séjour, guichet spécialisé"
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after), encoding="utf-8")
    settings_env(PREFECTURES_DIR=folder / "prefectures")


def confirm_addresses() -> None:
    """Confirm the addresses that were registered so far."""
    with session() as s:
        s.execute(sa.update(Contact).where(Contact.verified_at.is_(None)).values(verified_at=clock()))


def rows(kind: type[Any]) -> list[Any]:
    """Return every row of a table."""
    with session() as s:
        return list(s.scalars(sa.select(kind)))


def desk_state(desk_id: str = BOBIGNY, **columns: Any) -> None:
    """Write a desk's state."""
    with session() as s:
        s.merge(DeskState(id=desk_id, **columns))


def see(
    *moments: str, desk_id: str = BOBIGNY, at: datetime | None = None, seats: int | None = None
) -> tuple[UUID, list[int]]:
    """Write a detection of slots at these moments (ISO instants, dates or `open`); return their ids."""
    seen_at = at or clock()
    with session() as s:
        if s.get(DeskState, desk_id) is None:
            s.add(DeskState(id=desk_id))
            s.flush()
        slots = [_slot(desk_id, moment, seen_at, seats) for moment in moments]
        prefecture_id = desk_id.partition("/")[0]
        detection = Detection(
            desk_id=desk_id, prefecture_id=prefecture_id, procedures=["TITRE_SEJOUR"], label="Titre de séjour",
            site="Bobigny", booking_url="https://example.org/book", seen_at=seen_at, committed_at=seen_at, slots=slots,
        )  # fmt: skip
        s.add(detection)
        s.flush()
        return detection.id, [slot.id for slot in slots]


def _slot(desk_id: str, moment: str, seen_at: datetime, seats: int | None) -> SlotRow:
    starts_at = datetime.fromisoformat(moment) if "T" in moment else None
    return SlotRow(
        desk_id=desk_id, place_key=f"{seen_at:%H%M%S%f}", moment=moment, starts_at=starts_at, seats=seats,
        url="https://example.org/book", opened_at=seen_at, seen_at=seen_at,
    )  # fmt: skip


def wait_for(user_id: UUID, procedure: str = "TITRE_SEJOUR", prefecture_id: str = "bobigny_93") -> UUID:
    """Write an alert past the API's checks."""
    with session() as s:
        target = AlertTarget(prefecture_id=prefecture_id, procedure=procedure)
        alert = Alert(user_id=user_id, targets=[target])
        s.add(alert)
        s.flush()
        return alert.id


def match(alert_id: UUID, detection_id: UUID, slots: list[int]) -> UUID:
    """Write a match of an alert with these slots of a detection."""
    with session() as s:
        made = Match(alert_id=alert_id, detection_id=detection_id, limits_version=1, decided_at=clock())
        s.add(made)
        s.flush()
        s.add_all(MatchSlot(match_id=made.id, slot_id=slot) for slot in slots)
        return made.id


def add_payment(user_id: UUID, name: PlanName = PlanName.URGENCE_7J, client_name: str | None = None) -> UUID:
    """Write a paid order, without a grant and unknown to Stripe."""
    with session() as s:
        payment = Payment(
            user_id=user_id,
            plan=name,
            amount_cents=1499,
            created_at=clock(),
            consent={"startNow": True, "acknowledgesLoss": True},
            consented_at=clock(),
            client_name=client_name,
        )
        s.add(payment)
        s.flush()
        paid = PaymentEvent(
            payment_id=payment.id, kind=PaymentEventKind.PAID, at=clock(), recorded_at=clock()
        )
        s.add(paid)
        post_paid(s, payment)
        return payment.id


def add_stripe_event(name: str = "evt_1", **columns: Any) -> str:
    """Write an event of Stripe's that is applied."""
    values = {
        "type": "refund.created",
        "created_at": clock(),
        "object_type": "refund",
        "object_id": "re_1",
        "received_at": clock(),
        "applied_at": clock(),
    } | columns
    with session() as s:
        s.add(StripeEvent(id=name, **values))
    return name


def add_difference() -> None:
    """Write what a comparison with Stripe found."""
    found = {"ours": {"amount": 500}, "stripe": {"amount": 499}}
    with session() as s:
        s.add(PaymentDifference(found_at=clock(), object_id="re_1", repaired=False, **found))


def statements(act: Callable[[], object]) -> int:
    """Return how many statements reach the database while `act` runs."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    sa.event.listen(engine(), "before_cursor_execute", note)
    try:
        act()
    finally:
        sa.event.remove(engine(), "before_cursor_execute", note)
    return len(seen)


def add_incident(
    reason: IncidentReason = IncidentReason.PROVIDER_DOWN, subject: str = "sendgrid", **columns: Any
) -> int:
    """Write an incident that began a moment ago; return its id."""
    now = clock()
    with session() as s:
        made = Incident(**{"subject": subject, "reason": reason, "starts_at": now, "seen_at": now} | columns)
        s.add(made)
        s.flush()
        return made.id
