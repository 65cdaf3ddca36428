"""Rows for tests, where no route, webhook or job writes them: a factory a table, with defaults for its columns."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import INT8RANGE

from api.accounts.passwords import hash_password
from api.models.alert import Alert, AlertTarget
from api.models.answer import AnswerValue, AnswerVia, MatchAnswer
from api.models.base import first_id_at, new_id, session
from api.models.candidate import Candidate, CandidateSource, build_columns
from api.models.check import Check, CheckDay
from api.models.desk import DeskState
from api.models.incident import Incident, IncidentReason
from api.models.job import JobResult, JobState
from api.models.notification import ALL, DeliveryFigure, Match, Notification, Priority, State, write_ranges
from api.models.organisation import Beneficiary, Member, MemberRole, Organisation, OrganisationKind
from api.models.organisation_access import KeyScope, OrganisationKey, Webhook, WebhookEvent
from api.models.payment import Payment, PaymentEvent, PaymentEventKind
from api.models.report import Report, ReportKind, ReportVia
from api.models.slot import Detection, GoneReason, SlotRow
from api.models.stripe_event import PaymentDifference, StripeEvent
from api.models.support import SupportRequest
from api.models.user import NO_ACCOUNT, Channel, Contact, Grant, Role, User
from api.organisations.service import list_versions
from api.payments.ledger.book import post_paid
from api.payments.organisations.bills import write_bill
from api.payments.organisations.use import price_hours
from configs.ground.clock import clock
from configs.world.booking_address import parse_booking_address
from configs.world.desk import Outcome
from configs.world.plan import OrganisationPrices, PlanName
from tests.browser_keys import browser_address

Row = TypeVar("Row")
BOBIGNY = "bobigny_93/titre-sejour"
PEOPLE_S = "melun_77/visa"  # of tests/api/prefectures: people watch it
EMAIL, PASSWORD = "camille@example.org", "correct horse battery"
DAY = timedelta(days=1)
NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)
_ADDRESSES = {
    Channel.EMAIL: EMAIL, Channel.SMS: "+33612345678", Channel.TELEGRAM: "987654",
    Channel.PUSH: browser_address("camille"),
}  # fmt: skip
_DEVICES = {Channel.PUSH: "Firefox"}
_numbers = count(1)
# One statement: a month of them by the ORM takes ten seconds.
_CHECKS = sa.text("""
INSERT INTO checks (started_at, desk_id, outcome, evidence, milliseconds, requests, slots_seen, covered, process)
SELECT CAST(:since AS timestamptz) + each * interval '1 minute', :desk, :outcome, 'x', 1, 1, 0, '[]', 'test'
FROM unnest(:minutes) each
""")


def save(row: Row) -> Row:
    """Write a row; it stays readable."""
    save_all([row])
    return row


def save_all(rows: Iterable[Any]) -> None:
    """Write rows in one transaction."""
    with session() as s:
        s.add_all(rows)


def get(kind: type[Row], key: Any) -> Row:
    """Return the row with this key."""
    with session() as s:
        return s.get_one(kind, key)


def rows(kind: type[Any], *where: Any) -> list[Any]:
    """Return the rows of a table, those that were written first before others."""
    with session() as s:
        return list(s.scalars(sa.select(kind).where(*where).order_by(*sa.inspect(kind).primary_key)))


def one(kind: type[Row], *where: Any) -> Row:
    """Return the only row of a table, or the only one that meets conditions."""
    with session() as s:
        return s.scalars(sa.select(kind).where(*where)).one()


def change(kind: type[Any], /, *where: Any, **values: Any) -> None:
    """Set columns of the rows of a table: of all, or of those that meet conditions."""
    with session() as s:
        s.execute(sa.update(kind).where(*where).values(**values))


def remove(kind: type[Any], *where: Any) -> None:
    """Delete the rows of a table: all, or those that meet conditions."""
    with session() as s:
        s.execute(sa.delete(kind).where(*where))


def add_user(
    email: str | None = None,
    *channels: Channel,
    password: str | None = None,
    confirmed: bool = True,
    **columns: Any,
) -> User:
    """Write a user with a contact on each channel, by e-mail if none is named; `confirmed`: they are."""
    email = email or f"{next(_numbers)}@example.org"
    known = {"id": new_id(), "email": email, "password_hash": password and hash_password(password)}
    made = User(**known | columns)
    since = clock() if confirmed else None
    addresses = {each: email if each is Channel.EMAIL else None for each in channels or (Channel.EMAIL,)}
    add_with(
        made,
        *(make_contact(made.id, each, address, verified_at=since) for each, address in addresses.items()),
    )
    return made


def add_with(user: User, *owned: Contact | Grant) -> None:
    """Write a user and what is the user's in one transaction, which costs a third of one for each row."""
    with session() as s:
        s.add(user)
        s.flush()
        s.add_all(owned)


def add_account(email: str = EMAIL, language: str = "fr", *, confirmed: bool = True) -> User:
    """Write a user with PASSWORD."""
    return add_user(email, password=PASSWORD, language=language, confirmed=confirmed)


def give_role(user_id: UUID, role: Role, *, second_factor: bool = True) -> None:
    """Make a user an operator. The second factor is a day old, so that a login of now has shown it."""
    shown = {"totp_secret": "secret", "totp_confirmed_at": clock() - DAY}
    change(User, User.id == user_id, role=role, **(shown if second_factor else dict.fromkeys(shown)))


def add_contact(
    user_id: UUID, channel: Channel = Channel.EMAIL, address: str | None = None, **columns: Any
) -> Contact:
    """Write an enabled contact that is confirmed."""
    return save(make_contact(user_id, channel, address, **columns))


def make_contact(user_id: UUID, channel: Channel, address: str | None = None, **columns: Any) -> Contact:
    """Return such a contact."""
    known = {"id": new_id(), "verified_at": clock(), "enabled": True, "device_name": _DEVICES.get(channel)}
    return Contact(
        user_id=user_id, channel=channel, address=address or _ADDRESSES[channel], **known | columns
    )


def add_grant(
    user_id: UUID, plan: PlanName = PlanName.URGENCE_TOTAL, days: float = 1, starts: float = 0, **columns: Any
) -> Grant:
    """Grant a plan for so many days, from `starts` days from now on."""
    begins = clock() + starts * DAY
    known = {"starts_at": begins, "ends_at": begins + days * DAY, "source": "test"}
    return save(Grant(user_id=user_id, plan=plan, **known | columns))


def add_organisation(owner_id: UUID, **columns: Any) -> Organisation:
    """Write an open organisation with its owner, for a month; its contract is accepted."""
    known = {
        "name": "Accueil 93", "kind": OrganisationKind.ASSOCIATION, "address": "1 rue de la Paix, 93000 Bobigny",
        "purpose": "Nous aidons des familles.", "opened_at": clock(), "granted_until": clock() + 30 * DAY,
        "contract_version": list_versions()[0], "contract_accepted_at": clock(), "contract_accepted_by": owner_id,
    }  # fmt: skip
    made = save(Organisation(**known | columns))
    save(Member(organisation_id=made.id, user_id=owner_id, role=MemberRole.OWNER, joined_at=clock()))
    return made


def add_bill(organisation_id: UUID, owner_id: UUID) -> UUID:
    """Have an organisation pay from now on, and write the bill of a person's day; return the payment."""
    terms = {"firm_terms_version": "2026-12-01", "firm_terms_accepted_by": owner_id}
    times = {"billed_since": clock(), "billed_until": clock(), "free_until": clock() + 30 * DAY}
    change(Organisation, Organisation.id == organisation_id, **terms, **times)
    use = price_hours(OrganisationPrices(since=clock().date().replace(day=1), day_cents=50), {1: 24}, {})
    with session() as s:
        row = s.get_one(Organisation, organisation_id, with_for_update=True)
        return write_bill(s, row, use, clock() - DAY, clock()).id


def add_beneficiary(organisation_id: UUID, **columns: Any) -> UUID:
    """Write a person whom an organisation helps; return the id of the user."""
    user_id = new_id()
    save(User(id=user_id, email=f"{user_id.hex}{NO_ACCOUNT}", role=Role.BENEFICIARY))
    reference = get(Organisation, organisation_id).next_reference
    change(Organisation, Organisation.id == organisation_id, next_reference=reference + 1)
    known = {"organisation_id": organisation_id, "reference": reference, "label": "Madame K."}
    save(Beneficiary(user_id=user_id, **known | columns))
    return user_id


def add_programs(
    organisation_id: UUID, name: str = "Notre suivi", url: str = "http://127.0.0.1/"
) -> tuple[UUID, UUID]:
    """Write an API key and a webhook of an organisation; return their ids."""
    mine: dict[str, Any] = {"organisation_id": organisation_id}
    key = OrganisationKey(name=name, key_hash=b"x" * 32, scopes=[KeyScope.PEOPLE_READ], **mine)
    hook = Webhook(url=url, secret="whsec_eA==", events=[WebhookEvent.SLOT_SEEN], **mine)
    save_all([key, hook])
    return key.id, hook.id


def add_desk(desk_id: str = BOBIGNY, **columns: Any) -> None:
    """Write a desk's state, also over one that is there."""
    with session() as s:
        s.merge(DeskState(id=desk_id, **columns))


def add_candidate(number: str | None = None, **columns: Any) -> UUID:
    """Add a booking page that no desk file has: one of rdvpref; return its id."""
    number = number or str(500_000 + next(_numbers))
    address = parse_booking_address(
        f"https://www.rdv-prefecture.interieur.gouv.fr/rdvpref/reservation/demarche/{number}/"
    )
    assert address
    known = build_columns(address, CandidateSource.LIST, clock(), None)
    return save(Candidate(**known | columns)).id


def add_support_request(user_id: UUID, **columns: Any) -> str:
    """Write a request to support; return its number."""
    email = get(User, user_id).email
    return str(save(SupportRequest(user_id=user_id, email=email, message="Bonjour", **columns)).id)


def add_alert(user_id: UUID, *targets: AlertTarget, **columns: Any) -> UUID:
    """Write an alert past the API's checks; without targets it waits for residence permits in Bobigny."""
    found = list(targets) or [AlertTarget(prefecture_id="bobigny_93", procedure="TITRE_SEJOUR")]
    return save(Alert(user_id=user_id, targets=found, **columns)).id


def see(
    *moments: str,
    desk_id: str = BOBIGNY,
    at: datetime | None = None,
    seats: int | None = None,
    **columns: Any,
) -> tuple[UUID, list[int]]:
    """Write a detection of slots at these moments (ISO instants, dates or `open`); return their ids."""
    seen_at = at or clock()
    with session() as s:
        if s.get(DeskState, desk_id) is None:
            s.add(DeskState(id=desk_id))
    slots = [_make_slot(desk_id, moment, seen_at, seats) for moment in moments]
    detection = Detection(
        desk_id=desk_id, prefecture_id=desk_id.partition("/")[0], procedures=["TITRE_SEJOUR"], label="Titre de séjour",
        site="Bobigny", booking_url="https://example.org/book", seen_at=seen_at, committed_at=seen_at, slots=slots,
        **columns,
    )  # fmt: skip
    return save(detection).id, [slot.id for slot in slots]


def _make_slot(desk_id: str, moment: str, seen_at: datetime, seats: int | None) -> SlotRow:
    starts_at = datetime.fromisoformat(moment) if "T" in moment else None
    return SlotRow(
        desk_id=desk_id, place_key=f"{next(_numbers)}", moment=moment, starts_at=starts_at, seats=seats,
        url="https://example.org/book", opened_at=seen_at, seen_at=seen_at,
    )  # fmt: skip


def add_report(user_id: UUID, kind: str = "slots", desk_id: str = PEOPLE_S, **columns: Any) -> UUID:
    """Write a report of now that waits for the loop; a `none` followed an opening by a minute."""
    opened_at = clock() - DAY / 24 / 60 if kind == "none" else None
    known = {"seen_at": clock(), "via": ReportVia.API, "opened_at": opened_at, "networks": [user_id.bytes]}
    return save(Report(user_id=user_id, desk_id=desk_id, kind=ReportKind(kind), **known | columns)).id


def add_match(alert_id: UUID, detection_id: UUID, slots: list[int]) -> UUID:
    """Write a match of an alert with these slots of a detection."""
    values = {"limits_version": 1, "decided_at": clock(), "slots": write_ranges(slots)}
    return save(Match(alert_id=alert_id, detection_id=detection_id, **values)).id


def add_message(user_id: UUID | None = None, *matches: UUID, **columns: Any) -> UUID:
    """Write a message that waits to be sent; with matches an announcement of them."""
    now = clock()
    known = {
        "channel": Channel.EMAIL, "kind": "slot_detected", "priority": Priority.CRITICAL, "dedupe_key": str(new_id()),
        "state": State.PENDING, "created_at": now, "next_attempt_at": now,
        "address": None if user_id else "x@example.org",
    }  # fmt: skip
    if matches:
        known["announcement_id"] = get(Match, matches[0]).announcement_id
        change(Match, Match.id.in_(matches), announcement_id=known["announcement_id"])
    return save(Notification(user_id=user_id, **known | columns)).id


def add_slot_message(
    at: datetime = NINE, took: float | None = 1, user_id: UUID | None = None, *matches: UUID, **columns: Any
) -> UUID:
    """Write a slot alert whose page was read at an instant; `took`: seconds until it was accepted."""
    accepted = at + timedelta(seconds=took) if took is not None else None
    known = {
        # The order of ids is that of time, which a frozen clock does not stop.
        "id": UUID(int=first_id_at(at).int | new_id().int & (1 << 64) - 1),
        "state": State.SENT if accepted else State.PENDING, "accepted_at": accepted, "created_at": at, "seen_at": at,
        "committed_at": at, "matched_at": at, "next_attempt_at": at,
    }  # fmt: skip
    return add_message(user_id, *matches, **known | columns)


@dataclass(frozen=True)
class Announcement:
    """Ids of an announcement."""

    owner: UUID
    alert: UUID
    detection: UUID
    match: UUID
    message: UUID


def announce(
    owner: UUID | None = None,
    alert: UUID | None = None,
    *,
    desk_id: str = BOBIGNY,
    proof: str | None = None,
    took: float | None = 1,
    **columns: Any,
) -> Announcement:
    """Write a detection, its match with an alert (a new one unless it is named), and a message about it."""
    owner = owner or add_user().id
    alert = alert or add_alert(owner)
    number = next(_numbers)
    moment = f"2027-01-{1 + number // 1440 % 28:02}T{number // 60 % 24:02}:{number % 60:02}:00+00:00"
    detection, slots = see(moment, desk_id=desk_id, proof_key=proof)
    match = add_match(alert, detection, slots)
    message = add_slot_message(clock(), took, owner, match, **columns)
    return Announcement(owner, alert, detection, match, message)


def add_answer(
    match_id: UUID, value: AnswerValue = AnswerValue.NOTHING_THERE, at: datetime | None = None
) -> None:
    """Write an answer to an alert, given by the link in a mail."""
    save(MatchAnswer(match_id=match_id, value=value, answered_at=at or clock(), via=AnswerVia.EMAIL))


def add_payment(user_id: UUID, name: PlanName = PlanName.URGENCE_7J, client_name: str | None = None) -> UUID:
    """Write a paid order, without a grant and unknown to Stripe."""
    now = clock()
    with session() as s:
        payment = Payment(
            user_id=user_id, plan=name, amount_cents=1499, created_at=now, consented_at=now, client_name=client_name,
            consent={"startNow": True, "acknowledgesLoss": True},
        )  # fmt: skip
        s.add(payment)
        s.flush()
        s.add(PaymentEvent(payment_id=payment.id, kind=PaymentEventKind.PAID, at=now, recorded_at=now))
        post_paid(s, payment)
        return payment.id


def add_stripe_event(name: str = "evt_1", **columns: Any) -> str:
    """Write an event of Stripe's that is applied."""
    now = clock()
    known = {
        "type": "refund.created", "created_at": now, "object_type": "refund", "object_id": "re_1", "received_at": now,
        "applied_at": now,
    }  # fmt: skip
    return save(StripeEvent(id=name, **known | columns)).id


def add_difference() -> None:
    """Write what a comparison with Stripe found."""
    found = {"ours": {"amount": 500}, "stripe": {"amount": 499}}
    save(PaymentDifference(found_at=clock(), object_id="re_1", repaired=False, **found))


def add_incident(
    reason: IncidentReason = IncidentReason.PROVIDER_DOWN, subject: str = "sendgrid", **columns: Any
) -> int:
    """Write an incident that began a moment ago; return its id."""
    known = {"starts_at": clock(), "seen_at": clock()}
    return save(Incident(subject=subject, reason=reason, **known | columns)).id


def add_job(name: str, result: JobResult | None = None, at: datetime | None = None, **columns: Any) -> None:
    """Write, in place of its row, a background job that was due, and ended with a result, at an instant."""
    at = at or clock()
    due = {"due_at": at + timedelta(hours=1) if result else at, "ended_at": at if result else None}
    end = {"failed_at": at} if result is JobResult.FAILED else {"done_for": at} if result else {}
    with session() as s:
        s.merge(JobState(name=name, **due | end | columns))


def add_day(desk_id: str, day: date, **columns: Any) -> None:
    """Write the day of a desk: without checks, alerts and answers unless there were some."""
    known = {"checks": 0, "proven": 0, "outcomes": {}, "openings": 0, "updated_at": clock()}
    save(CheckDay(desk_id=desk_id, day=day, **known | columns))


def take_slots(
    *seconds: float, desk_id: str = BOBIGNY, opened: datetime, reason: GoneReason = GoneReason.TAKEN
) -> None:
    """Let slots open, and go after so many seconds each."""
    _, slots = see(
        *(f"2099-01-{number:02}" for number in range(1, len(seconds) + 1)), desk_id=desk_id, at=opened
    )
    for slot, lasted in zip(slots, seconds, strict=True):
        change(SlotRow, SlotRow.id == slot, gone_at=opened + timedelta(seconds=lasted), gone_reason=reason)


def make_delivery_figure(
    day: date, channel: Channel, sent: int, seen_to_accepted: list[float], **columns: Any
) -> DeliveryFigure:
    """Return the figures of a channel's day on which each message arrived; `columns` say what else became of them."""
    ends = (
        "bounced",
        "no_receipt",
        "failed",
        "expired",
        "skipped",
        "unsure",
        "missed",
        "tracked",
        "confirmed",
    )
    known = {"delivered": sent, "seen_to_delivered": None, **dict.fromkeys(ends, 0)}
    return DeliveryFigure(
        day=day, channel=channel, provider=ALL, prefecture_id=ALL, messages=sent, sent=sent,
        seen_to_accepted=seen_to_accepted, updated_at=clock(), **known | columns,
    )  # fmt: skip


def add_check(desk_id: str = BOBIGNY, **columns: Any) -> None:
    """Write a check that found nothing."""
    known = {
        "started_at": clock(), "outcome": Outcome.NO_SLOTS, "evidence": "x", "milliseconds": 1, "requests": 1,
        "slots_seen": 0, "covered": [], "process": "test",
    }  # fmt: skip
    save(Check(desk_id=desk_id, **known | columns))


def add_checks(
    desk_id: str, since: datetime, minutes: Iterable[float], outcome: Outcome = Outcome.NO_SLOTS
) -> None:
    """Write a desk's checks, so many minutes after `since`."""
    with session() as s:
        s.execute(_CHECKS, {"since": since, "desk": desk_id, "outcome": outcome, "minutes": list(minutes)})


def select_announced_slots() -> sa.Subquery:
    """Return a query for every slot that a match announced: `match_id`, `announcement_id`, `slot_id`."""
    span = sa.func.unnest(Match.slots, type_=INT8RANGE()).label("span")
    spans = sa.select(Match.id, Match.announcement_id, span).subquery()
    last = sa.func.upper(spans.c.span) - 1
    slot_id = sa.func.generate_series(sa.func.lower(spans.c.span), last, type_=sa.BigInteger())
    return sa.select(
        spans.c.id.label("match_id"), spans.c.announcement_id, slot_id.label("slot_id")
    ).subquery()
