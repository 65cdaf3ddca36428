"""Who is told of slots for people whom an organisation helps: once, by one message, by numbers and never by names."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from api.models.alert import Alert, ClosedBecause
from api.models.base import new_id, session
from api.models.notification import Notification, State
from api.models.organisation import Beneficiary, Member, MemberRole, Organisation, OrganisationEnd, Told
from api.models.user import NO_ACCOUNT, Channel, Grant, Role, User
from configs.ground.clock import clock
from configs.world.desk import zone_or_home
from configs.world.plan import PlanName
from notifier import create_notifications
from notifier.jobs import deliver
from tests.factories import add_organisation, add_with, change, make_contact, remove, rows, save
from tests.notifier import world
from tests.notifier.world import Person, alert, detection, matched, person

if TYPE_CHECKING:
    from tests.running_sandbox import Running

pytestmark = pytest.mark.usefixtures("whole")


@pytest.fixture
def camille(sandbox: "Running") -> Person:
    """Make the owner of an organisation, without a plan, who is reached by mail and SMS."""
    who = person(None, (Channel.EMAIL, Channel.SMS))
    add_organisation(who.id)
    return who


def join(role: MemberRole = MemberRole.CASEWORKER, **columns: Any) -> Member:
    who = person(None, addresses={Channel.EMAIL: f"{uuid4().hex}@example.org"})
    house = rows(Member)[0].organisation_id
    return save(Member(organisation_id=house, user_id=who.id, role=role, joined_at=clock(), **columns))


def enter(told: Told = Told.CASEWORKER, caseworker: UUID | None = None, *, agrees: bool = False) -> UUID:
    """Make a person who is helped and waits, with a mailbox to which the person agreed, or did not."""
    member = rows(Member)[0]
    user = User(id=new_id(), role=Role.BENEFICIARY)
    user.email = f"{user.id.hex}{NO_ACCOUNT}"
    state = {"verified_at": clock() if agrees else None}
    mailbox = make_contact(user.id, Channel.EMAIL, f"{user.id.hex}@example.org", **state)
    lasts = {"starts_at": clock() - timedelta(days=1), "ends_at": clock() + timedelta(days=3)}
    held = Grant(user_id=user.id, plan=PlanName.URGENCE_TOTAL, source="organisation", **lasts)
    add_with(user, mailbox, held)
    made = Beneficiary(
        user_id=user.id, organisation_id=member.organisation_id, reference=len(rows(Beneficiary)) + 1,
        label="Madame K.", caseworker_id=caseworker or member.id, told=told, consented_at=clock() if agrees else None,
    )  # fmt: skip
    save(made)
    alert(Person(user.id, {}), name="Madame K.")
    return user.id


def off_hours() -> dict[str, Any]:
    """Return hours of a member that are not now."""
    local = clock().astimezone(zone_or_home("Europe/Paris"))
    later: list[datetime] = [local + timedelta(hours=each) for each in (2, 4)]
    return {"told_from": later[0].time(), "told_until": later[1].time()}


def open_slot() -> UUID:
    return detection(world.slots(place=uuid4().hex))


def tell() -> dict[UUID, set[Channel]]:
    """Open a slot, match it and deliver; return by reader the channels of what was written about it."""
    seen = open_slot()
    world.match(str(seen))
    told: dict[UUID, set[Channel]] = {}
    for each in rows(Notification, Notification.params["detection_id"].astext == str(seen)):
        told.setdefault(each.user_id, set()).add(each.channel)
    return told


def test_a_caseworker_gets_one_message_for_all_people_at_a_desk_by_their_numbers(
    camille: Person, sandbox: "Running"
) -> None:
    people = [enter() for _ in range(4)]
    assert tell() == {camille.id: {Channel.EMAIL, Channel.SMS}}
    mail, sms = sorted(sandbox.messages(), key=lambda each: each.channel)
    assert (mail.channel, sms.channel) == ("email", "sms")
    for text in (mail.text, sms.text):
        assert all(f"#{number}" in text for number in (1, 2, 3, 4))
        assert "Madame" not in text
        assert "/l/stop." not in text
        assert "/l/answer." not in text
    assert len(rows(Notification, Notification.accepted_at.is_not(None))) == 8, (
        "each is told of by a row of its own"
    )
    assert world.rearm() == [], "and told once"
    change(Alert, Alert.user_id == people[0], closed_at=clock(), closed_because=ClosedBecause.FOUND)
    tell()
    (again,) = [each for each in sandbox.messages() if each.channel == "sms"][1:]
    assert ("#1" in again.text, "#2" in again.text) == (False, True)


def test_a_person_is_told_only_after_a_yes_with_the_link_of_the_own_page(
    camille: Person, sandbox: "Running"
) -> None:
    fatou, silent, both = enter(Told.PERSON, agrees=True), enter(Told.PERSON), enter(Told.BOTH, agrees=True)
    assert tell() == {
        fatou: {Channel.EMAIL}, both: {Channel.EMAIL}, camille.id: {Channel.EMAIL, Channel.SMS},
    }  # fmt: skip
    own, other = (
        next(each for each in sandbox.messages() if each.to == address)
        for address in (f"{fatou.hex}@example.org", "camille@example.org")
    )
    assert "/l/help." in own.text
    assert "/l/help." not in other.text
    assert ("#1" in other.text, "#2" in other.text, "#3" in other.text) == (False, True, True)
    assert silent not in {each.user_id for each in rows(Notification)}


def test_other_messages_to_a_person_lead_to_the_own_page_not_to_an_account(
    camille: Person, sandbox: "Running"
) -> None:
    fatou = enter(Told.PERSON, agrees=True)
    params = {"prefectures": ["essonne_91"], "count": 1, "limit": 1}
    with session() as s:
        written = create_notifications(s, fatou, "alerts_paused", params, "paused")
    deliver(*map(str, written))
    (mail,) = sandbox.messages()
    assert ("/l/help." in mail.text, "/dashboard" in mail.text) == (True, False)


def test_outside_the_hours_of_the_caseworker_others_are_told_and_else_a_mail_leaves(camille: Person) -> None:
    change(Member, **off_hours())
    join(MemberRole.VIEWER)
    enter()
    assert tell() == {camille.id: {Channel.EMAIL}}, "no slot is lost, and no phone rings"
    on = join()
    assert tell() == {on.user_id: {Channel.EMAIL}}
    change(User, User.id == on.user_id, suspended_at=clock(), suspended_because="x")
    assert tell() == {camille.id: {Channel.EMAIL}}


def test_what_waits_for_an_ended_member_or_about_who_took_over_is_not_sent(
    camille: Person, sandbox: "Running"
) -> None:
    named = join()
    enter(caseworker=named.id)
    (waits,) = matched(open_slot())
    remove(Member, Member.id == named.id)
    deliver(str(waits))
    assert world.after(waits)[0] is State.SKIPPED
    again = rows(Notification, Notification.id.in_(world.rearm()))
    assert {each.user_id for each in again} == {camille.id}, "another member is told at once"
    taken = enter()
    written = matched(open_slot())
    remove(Beneficiary, Beneficiary.user_id == taken)
    change(User, User.id == taken, role=Role.USER, email="own@example.org", email_folded="own@example.org")
    deliver(*map(str, written))
    about = {each.state for each in rows(Notification, Notification.dedupe_key.contains(str(taken)))}
    assert about == {State.SKIPPED}


def test_what_waits_for_a_caseworker_or_asks_a_person_is_not_sent_after_abuse(
    camille: Person, sandbox: "Running"
) -> None:
    fatou = enter()
    waiting = matched(open_slot())
    with session() as s:
        waiting += create_notifications(s, fatou, "help_invitation", {}, "asked", channels=["email"])
    change(Organisation, ends_at=clock() + timedelta(days=14), ends_because=OrganisationEnd.ABUSE)
    deliver(*map(str, waiting))
    assert {each.state for each in rows(Notification)} == {State.SKIPPED}
    assert sandbox.messages() == []


def test_who_said_no_by_one_link_is_not_asked_at_another_contact(camille: Person, sandbox: "Running") -> None:
    fatou = enter()
    with session() as s:
        waiting = create_notifications(s, fatou, "help_invitation", {}, "asked", channels=["email"])
    change(Beneficiary, Beneficiary.user_id == fatou, stopped_at=clock())
    deliver(*map(str, waiting))
    assert sandbox.messages() == []
