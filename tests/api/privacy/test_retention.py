"""Every table has a rule of retention that holds; accounts that were never confirmed or are not used, and alerts that were closed: when they go."""

import hashlib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
import time_machine

from api.auth.logins import rotate_login
from api.jobs import schedule as jobs
from api.jobs.schedule import list_jobs
from api.models.alert import Alert, ClosedBecause
from api.models.all import RECORDS
from api.models.audit import ActorKind, AuditEntry
from api.models.base import Base, engine, first_id_at, new_id, session
from api.models.check import CheckDay
from api.models.declaration import Declaration, DeclarationKind, DeclaredBy
from api.models.desk import Outage, OutageReason, Publication
from api.models.job import JobResult, JobState
from api.models.login import Login, PendingRegistration
from api.models.notification import Notification, Priority, State
from api.models.organisation import Organisation
from api.models.payment import Payment
from api.models.provider_event import ProviderEvent, ReceiptKind
from api.models.support import SupportRequest
from api.models.user import Channel, Contact, Role, User
from api.payments.declarations.forms import name_declaration
from api.privacy import retention_batches, unused_accounts
from api.privacy.retention import RULES, Dropped, DroppedBy, OwnedBy
from api.privacy.unused_accounts import Step, UnusedAccount
from configs.ground.clock import clock
from configs.world.plan import PlanName
from configs.world.retention import support_kept_for
from notifier.dead_letters import replay
from tests import factories
from tests.api.alerts.test_notifications import write_notice
from tests.clients import People, Person
from tests.in_turn import in_turn

pytestmark = pytest.mark.usefixtures("database", "frozen")


def test_what_is_older_than_its_table_keeps_it_goes_and_no_more(person: People) -> None:
    factories.add_desk()
    user_id = person().id
    days = {
        "notices": 90,
        "provider_events": 30,
        "support_requests": 365,
        "publications": 3 * 365,
        "payments.alert_wish": 30,
        "candidates.user_id": 365,
        "audit": 3 * 365 + 1,
    }
    for hours in (timedelta(hours=1), timedelta(hours=-1)):
        at = {name: clock() - timedelta(days=each) - hours for name, each in days.items()}
        write_notice(user_id, str(hours), id=first_id_at(at["notices"]))
        came = at["provider_events"]
        factories.save(ProviderEvent(
            provider="sendgrid", event_id=str(came), notification_ids=[new_id()], kind=ReceiptKind.DELIVERED, at=came,
            received_at=came, applied_at=came,
        ))  # fmt: skip
        factories.save(
            SupportRequest(email="x@example.org", message="Bonjour", created_at=at["support_requests"])
        )
        released = at["publications"]
        seen = {"first_day": released.date(), "last_day": released.date(), "seen_at": released}
        factories.save(
            Publication(desk_id=factories.BOBIGNY, released_at=released, seen_last_at=released, **seen)
        )
        factories.add_candidate(user_id=user_id, given_at=at["candidates.user_id"])
        order = factories.add_payment(user_id)
        factories.change(
            Payment, Payment.id == order, created_at=at["payments.alert_wish"], alert_wish={"a": 1}
        )
        done = {"actor_kind": ActorKind.COMMAND, "action": "host.stop", "subject_type": "host"}
        factories.save(AuditEntry(at=at["audit"], **done))
    gone = jobs.apply_retention()
    assert [gone[name] for name in days] == [1] * len(days)
    assert not days.keys() & jobs.apply_retention().keys()


def test_the_proof_of_the_watch_is_kept_for_ten_whole_years() -> None:
    factories.add_desk()
    last = datetime(2015, 12, 31, 23, tzinfo=UTC)
    with session() as s:
        for days in (-1, 0, 1):
            at = last + timedelta(days=days)
            factories.add_day(factories.BOBIGNY, at.date())
            s.add(Outage(desk_id=factories.BOBIGNY, starts_at=at, ends_at=at, reason=OutageReason.BLOCKED))
        s.add(Outage(desk_id=factories.BOBIGNY, starts_at=last, reason=OutageReason.BLOCKED))  # it lasts
    gone = jobs.apply_retention()
    assert (gone["outages"], gone["check_days"]) == (2, 2)
    assert not {"outages", "check_days"} & jobs.apply_retention().keys()
    assert [each.day for each in factories.rows(CheckDay)] == [date(2016, 1, 1)]
    assert sorted(each.ends_at is None for each in factories.rows(Outage)) == [False, True]


def test_what_authors_of_declarations_wrote_is_kept_for_five_years() -> None:
    """A form makes the id of its words: among these ids some look older and some younger than they are."""
    words = {"name": "Camille", "email": "camille@example.org", "reference": "23456789AB"}
    with session() as s:
        for days in (5 * 365, 5 * 365 + 3):
            at = clock() - timedelta(days=days)
            for made in (
                UUID(int=days),
                name_declaration(UUID(int=days), words["email"], words["reference"]),
            ):
                s.add(
                    Declaration(
                        id=made, kind=DeclarationKind.WITHDRAWAL, made_at=at, made_by=DeclaredBy.FORM, **words
                    )
                )
    assert jobs.apply_retention()["declarations"] == 2
    assert "declarations" not in jobs.apply_retention()
    assert sorted(each.name or "" for each in factories.rows(Declaration)) == ["", "", "Camille", "Camille"]


BY_NAME = {each.__tablename__: each.__table__ for each in RECORDS}


def test_every_table_has_a_rule_and_every_rule_a_table_and_a_job_or_the_planner() -> None:
    tables = {*Base.metadata.tables, "alembic_version"}
    assert tables - RULES.keys() == set(), "say in api/privacy/retention.py what takes their rows away"
    assert {name.partition(".")[0] for name in RULES} == tables
    named = {rule.how for rule in RULES.values() if isinstance(rule, DroppedBy) and isinstance(rule.how, str)}
    assert named <= {"planner", *(job.name for job in list_jobs())}


@in_turn("name", [name for name, rule in RULES.items() if isinstance(rule, OwnedBy)])
def test_rows_go_with_their_owner(name: str) -> None:
    rule = RULES[name]
    assert isinstance(rule, OwnedBy)
    gone_with = {key.column.table.name for key in BY_NAME[name].foreign_keys if key.ondelete == "CASCADE"}
    assert rule.table in gone_with


def test_every_rule_is_applied_in_the_rights_of_the_program_and_one_that_fails_stops_no_other() -> None:
    assert any(isinstance(rule, Dropped) for rule in RULES.values())
    assert jobs.apply_retention()["failed"] == 0
    asked_at = clock() - 2 * support_kept_for()
    factories.save(SupportRequest(email="x@example.org", message="Bonjour", created_at=asked_at))
    with session() as s:
        s.execute(sa.text("REVOKE DELETE ON logins, audit FROM rdvpriority_background"))
    counts = jobs.apply_retention()
    assert (counts["failed"], counts["support_requests"], factories.rows(SupportRequest)) == (2, 1, [])


FIGURES = (
    "kind",
    "channel",
    "state",
    "reason",
    "cost",
    "attempts",
    "created_at",
    "accepted_at",
    "dedupe_key",
)


def write(age: float, user_id: UUID | None = None, **columns: Any) -> UUID:
    """Write a message that is so many days old."""
    at = clock() - timedelta(days=age)
    made = UUID(int=first_id_at(at).int | new_id().int & (1 << 64) - 1)
    values: dict[str, Any] = {
        "state": State.SENT, "params": {"to": "old@example.org"}, "title": "Adresse", "text": "Changée.", "provider": "sendgrid", "provider_id": f"p{made}",
        "address": None if user_id else "visitor@example.org", "accepted_at": at,
    } | columns  # fmt: skip
    factories.save(Notification(
        id=made, user_id=user_id, channel=Channel.EMAIL, kind="address_changed", priority=Priority.IMMEDIATE,
        dedupe_key=str(made), created_at=at, next_attempt_at=at, **values,
    ))  # fmt: skip
    return made


def read(made: UUID) -> Notification:
    return factories.get(Notification, made)


def texts(made: UUID) -> tuple[Any, ...]:
    columns = (Notification.params, Notification.address, Notification.provider_id, Notification.text)
    with session() as s:
        return tuple(s.execute(sa.select(*columns, Notification.title).where(Notification.id == made)).one())


def test_a_message_loses_its_text_after_ninety_days_and_keeps_its_figures(
    person: People,
) -> None:
    user_id = person().id
    old, stranger, young = write(91, user_id), write(91), write(89, user_id)
    waiting = write(91, state=State.PENDING, accepted_at=None)
    before = [[getattr(read(each), name) for name in FIGURES] for each in (old, stranger)]
    assert jobs.apply_retention()["read"] == 3
    assert texts(old) == ({}, None, None, None, None)
    assert texts(stranger) == ({}, "", None, None, None)  # it has no user: the column must not be null
    assert [[getattr(read(each), name) for name in FIGURES] for each in (old, stranger)] == before
    assert texts(waiting)[1] == "visitor@example.org", "it is on its way"
    assert (texts(young)[0], texts(young)[3:]) == ({"to": "old@example.org"}, ("Changée.", "Adresse"))


def add_run(age: float, kept_days: int | None) -> None:
    """Write that the job was done for so many days ago, and how long messages were kept then."""
    counts = {} if kept_days is None else {retention_batches.KEPT_SECONDS: kept_days * 86400}
    factories.add_job(retention_batches.JOB, JobResult.DONE, clock() - timedelta(days=age), counts=counts)


@pytest.mark.parametrize("kept_days", [90, None])
def test_none_is_skipped_where_the_time_became_shorter(
    settings_env: Callable[..., None], kept_days: int | None
) -> None:
    add_run(1, kept_days)
    settings_env(MESSAGES_KEPT_FOR="30d")
    made = [write(age) for age in (89, 60, 31, 29)]
    assert jobs.apply_retention() == {"read": 3, retention_batches.KEPT_SECONDS: 30 * 86400, "failed": 0}
    assert [texts(each)[1] for each in made] == ["", "", "", "visitor@example.org"]


def test_a_run_goes_on_where_the_last_complete_one_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention_batches, "BATCH", 2)
    made = [write(age) for age in (300, 200, 120, 99, 98, 91)]
    add_run(3, kept_days=90)
    factories.change(JobState, failed_at=clock(), ended_at=clock())
    assert jobs.apply_retention()["read"] == 3  # those of a week before the end of that run, and later
    assert [texts(each)[1] for each in made] == ["visitor@example.org"] * 3 + [""] * 3
    factories.remove(JobState)
    assert jobs.apply_retention()["read"] == 6  # as the first run does, and one after all rows are lost
    assert {texts(each)[1] for each in made} == {""}


def test_a_dead_letter_without_text_is_not_sent_again() -> None:
    dead: dict[str, Any] = {
        "state": State.FAILED,
        "reason": "refused",
        "accepted_at": None,
        "failed_at": clock(),
    }
    old, young = write(91, **dead), write(1, **dead)
    with session() as s:
        assert replay(s, [old, young], unsure=True) == [young]


DAY = timedelta(days=1)


def age(person: Person, days: float, **columns: Any) -> None:
    """Have an account registered, and used last, so many days ago."""
    at = clock() - days * DAY
    factories.change(Contact, Contact.user_id == person.id, created_at=at)
    values = {"last_used_at": at, "created_at": at} | columns
    factories.change(User, User.id == person.id, **values)


def emails() -> set[str]:
    return {each.email for each in factories.rows(User)}


def test_an_account_that_nobody_confirmed_goes_after_seven_days(
    frozen: time_machine.Traveller, person: People
) -> None:
    for name, days in {"young": 6, "old": 8}.items():
        age(person(f"{name}@example.org", confirmed=False), days)
    age(person("confirmed@example.org", confirmed=True), 400)
    assert jobs.apply_retention()["users"] == 1
    assert emails() == {"young@example.org", "confirmed@example.org"}
    assert "users" not in jobs.apply_retention()


def test_an_account_that_is_confirmed_while_the_job_deletes_stays(
    frozen: time_machine.Traveller, person: People
) -> None:
    late = person("late@example.org", confirmed=False)
    for each in (late, person("old@example.org", confirmed=False)):
        age(each, 31)

    def confirm(_: Any, __: Any, statement: str, *___: Any) -> None:
        if statement.startswith("DELETE FROM users"):
            factories.change(Contact, Contact.user_id == late.id, verified_at=clock())

    sa.event.listen(engine(), "before_cursor_execute", confirm)
    try:
        assert jobs.apply_retention()["users"] == 1
    finally:
        sa.event.remove(engine(), "before_cursor_execute", confirm)
    assert emails() == {"late@example.org"}


def test_money_another_registration_a_chat_and_an_office_keep_an_unconfirmed_account(
    frozen: time_machine.Traveller, person: People
) -> None:
    names = ("plan", "order", "again", "chat", "admin")
    people = {name: person(f"{name}@example.org") for name in names}
    for each in people.values():
        age(each, 31)
    age(people["admin"], 31, role=Role.ADMIN)
    people["plan"].holds(PlanName.URGENCE_24H, days=1, starts=-20)
    factories.save(Payment(user_id=people["order"].id, plan=PlanName.URGENCE_24H, amount_cents=499))
    factories.save(PendingRegistration(id=new_id(), user_id=people["again"].id, created_at=clock() - DAY))
    chat = {"user_id": people["chat"].id, "channel": Channel.TELEGRAM, "address": "42"}
    factories.save(Contact(**chat, verified_at=clock()))
    assert "users" not in jobs.apply_retention()
    assert len(emails()) == len(names)


@in_turn(
    "unused, warned, expected",
    [
        (669, (), None),
        (670, (), Step.FIRST_WARNING),
        (900, (), Step.FIRST_WARNING),
        (715, (45,), None),
        (716, (46,), Step.SECOND_WARNING),
        (900, (29,), None),  # the first one was late
        (900, (30,), Step.SECOND_WARNING),
        (729, (59, 13), None),
        (730, (60, 14), Step.DELETE),
        (900, (39, 9), None),
        (900, (40, 10), Step.DELETE),
    ],
)
def test_what_is_due_for_an_unused_account(
    unused: int, warned: tuple[int, ...], expected: Step | None
) -> None:
    now = datetime.fromisoformat("2026-11-20T09:00:00Z")
    account = UnusedAccount(UUID(int=1), now - unused * DAY, tuple(now - days * DAY for days in warned))
    assert account.find_step(now) is expected


def test_an_unused_account_is_warned_twice_and_then_its_time_is_over(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    age(camille, 671)
    found = []
    for _ in range(60):
        found.append(jobs.end_unused_accounts())
        if found[-1] == {"warned": 0, "deleted": 1, "failed": 0}:
            break
        frozen.shift(DAY)
        warnings = sorted(factories.rows(Notification), key=lambda row: row.created_at)
    assert [day for day, counts in enumerate(found) if counts["warned"]] == [0, 45]
    assert len(found) == 60
    assert {row.kind for row in warnings} == {"account_unused"}
    assert len({row.params["ends"] for row in warnings}) == 1
    assert datetime.fromisoformat(warnings[0].params["ends"]) == clock()
    assert factories.rows(User) == []
    assert [row.kind for row in factories.rows(Notification)] == ["account_deleted"]


def test_the_organisation_of_a_last_owner_who_is_away_ends_with_notice(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    house = factories.add_organisation(camille.id)
    factories.add_beneficiary(house.id)
    age(camille, 800)
    for step in ("warned", "warned"):
        assert jobs.end_unused_accounts()[step] == 1
        frozen.shift(40 * DAY)
    assert jobs.end_unused_accounts() == {"warned": 0, "deleted": 0, "failed": 0}
    assert factories.get(Organisation, house.id).ends_at == clock() + 14 * DAY
    assert jobs.end_unused_accounts()["deleted"] == 1


def test_an_account_that_is_used_while_the_job_runs_stays(
    frozen: time_machine.Traveller, camille: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    age(camille, 800)
    for step in ("warned", "warned"):
        assert jobs.end_unused_accounts()[step] == 1
        frozen.shift(40 * DAY)
    found = list(unused_accounts._list_unused(clock()))
    monkeypatch.setattr(unused_accounts, "_list_unused", lambda _: iter(found))
    factories.add_alert(camille.id)  # an alert is made after the accounts were read
    assert jobs.end_unused_accounts() == {"warned": 0, "deleted": 0, "failed": 0}
    assert len(factories.rows(User)) == 1


def test_a_sign_in_begins_the_time_anew(frozen: time_machine.Traveller, camille: Person) -> None:
    age(camille, 671)
    assert jobs.end_unused_accounts()["warned"] == 1
    frozen.shift(DAY)
    with session() as s:
        login = s.get_one(Login, camille.login_id)
        login.token_hash = hashlib.sha256(b"stored:token").hexdigest()
        s.flush()
        rotate_login(s, login.id, "token", clock())
    assert factories.rows(User)[0].last_used_at == clock()
    frozen.shift(100 * DAY)
    assert jobs.end_unused_accounts()["warned"] == 0


def test_a_plan_an_order_an_alert_and_an_office_are_uses(
    frozen: time_machine.Traveller, person: People
) -> None:
    names = ("plan", "order", "alert", "admin", "nothing")
    people = {name: person(f"{name}@example.org", confirmed=True) for name in names}
    alert = factories.add_alert(people["alert"].id)
    people["plan"].holds(PlanName.URGENCE_7J, days=7, starts=-600)
    factories.change(Alert, Alert.id == alert, updated_at=clock() - 600 * DAY)
    order = {"plan": PlanName.URGENCE_7J, "amount_cents": 1499, "created_at": clock() - 600 * DAY}
    factories.save(Payment(user_id=people["order"].id, **order))
    for each in people.values():
        age(each, 800)
    age(people["admin"], 800, role=Role.ADMIN)
    assert jobs.end_unused_accounts()["warned"] == 1
    assert [row.user_id for row in factories.rows(Notification)] == [people["nothing"].id]


WISH = {"deskIds": [factories.BOBIGNY], "acceptWaiting": True}


def test_an_account_makes_so_many_alerts_a_day_and_keeps_so_many_that_are_closed(
    person: People, frozen: time_machine.Traveller, settings_env: Callable[..., None]
) -> None:
    settings_env(FAIR_USE_ALERTS="3")
    camille = person()
    camille.holds(PlanName.URGENCE_TOTAL, days=9)

    def make_and_close() -> int:
        answer = camille.post("/api/alerts", WISH)
        if answer.status_code == 201:
            camille.delete(f"/api/alerts/{(answer.json or {})['id']}")
        return answer.status_code

    for _ in range(3):
        assert [make_and_close() for _ in range(4)] == [201, 201, 201, 429]
        frozen.shift(DAY)
    assert len(factories.rows(Alert)) == 4, "those that were closed last, and the newest"


@pytest.mark.usefixtures("frozen")
def test_a_closed_alert_goes_after_a_year_unless_an_order_was_about_it(person: People) -> None:
    owner = person().id
    old, recent, ordered = (factories.add_alert(owner) for _ in range(3))
    still_open = factories.add_alert(owner)
    for each, ago in ((old, 366 * DAY), (recent, 364 * DAY), (ordered, 366 * DAY)):
        closed = {"closed_at": clock() - ago, "closed_because": ClosedBecause.DELETED}
        factories.change(Alert, Alert.id == each, created_at=clock() - ago, **closed)
    payment = factories.add_payment(owner)
    factories.change(Payment, Payment.id == payment, alert_id=ordered)
    assert jobs.apply_retention()["alerts"] == 1
    assert {row.id for row in factories.rows(Alert)} == {recent, ordered, still_open}
