"""People whom an organisation helps: entered, asked, waiting, found, and the end of their help."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import time_machine

from api.alerts.schemas import FoundAppointment, NewAlert
from api.ground.errors import ApiError
from api.models.alert import Alert
from api.models.audit import AuditEntry
from api.models.base import new_id, session
from api.models.notification import Notification
from api.models.organisation import Beneficiary, Member, MemberRole, Organisation, Told
from api.models.organisation_access import Webhook, WebhookDelivery, WebhookEvent
from api.models.user import Channel, Contact, Role, User
from api.organisations.callers import Caller, read_caller
from api.organisations.own_help import (
    agree,
    agree_to_alert,
    ask_for_account,
    delete_help,
    find_help,
    stop,
    take_over,
)
from api.organisations.people import (
    add_alert,
    change_person,
    end_help,
    enter_people,
    invite_person,
    keep_help,
    mark_found,
    switch_person_alert,
)
from api.organisations.person_queries import list_people, read_person
from api.organisations.schemas import (
    AlertState,
    ConsentState,
    NewPerson,
    OwnAddress,
    PeopleFilter,
    PersonAnswer,
    PersonChange,
    TakeOver,
)
from configs.ground.clock import clock
from configs.ground.signing import ShowHelp, write_token
from tests.api.organisations.test_organisations import act, ask, end, join, open_it
from tests.api.world import reveal_health
from tests.clients import People, Person
from tests.desk_proofs import prove_desks
from tests.factories import BOBIGNY, PASSWORD, change, one, rows, save

pytestmark = pytest.mark.usefixtures("frozen")
MAIL, PHONE = "fatou@example.org", "+33612345678"


@pytest.fixture
def camille(person: People) -> Person:
    who = person("camille@example.org")
    ask(who)
    open_it()
    prove_desks()
    return who


def enter(who: Person, **wish: Any) -> UUID:
    given = NewPerson(label="Madame K.", **wish)
    made: UUID = act(who, lambda s, caller: enter_people(s, caller, [given])[0])
    return made


def invite(who: Person, person_id: UUID) -> int:
    return len(act(who, lambda s, caller: invite_person(s, caller, person_id)))


def see(who: Person, person_id: UUID) -> PersonAnswer:
    found: PersonAnswer = act(who, lambda s, caller: read_person(s, caller, person_id))
    return found


def wait_for(who: Person, person_id: UUID, desk_id: str = BOBIGNY) -> UUID:
    wish = NewAlert.model_validate({"deskIds": [desk_id], "name": "Madame K."})
    act(who, lambda s, caller: add_alert(s, caller, person_id, wish))
    made: UUID = rows(Alert, Alert.user_id == person_id)[-1].id
    return made


def end_by(person_id: UUID, s: Any, caller: Caller) -> None:
    end_help(s, caller, person_id)


def change_by(person_id: UUID, wish: PersonChange, s: Any, caller: Caller) -> None:
    change_person(s, caller, person_id, wish)


def link(person_id: UUID, channel: Channel = Channel.EMAIL) -> str:
    """Return the token of the link in a message to a person."""
    return write_token(ShowHelp(one(Contact, Contact.user_id == person_id, Contact.channel == channel).id))


def by_link(do: Callable[..., Any], *given: Any) -> Any:
    with session() as s:
        return do(s, *given)


def test_a_person_is_asked_once_per_address_and_told_only_after_a_yes(camille: Person) -> None:
    fatou = enter(camille, email=MAIL, phone=PHONE, language="ar")
    assert see(camille, fatou).consent is ConsentState.NOT_ASKED
    assert invite(camille, fatou) == 2
    asked = rows(Notification, Notification.kind == "help_invitation")
    assert {(each.channel, each.language) for each in asked} == {(Channel.EMAIL, "ar"), (Channel.SMS, "ar")}
    with pytest.raises(ApiError, match="once"):
        invite(camille, fatou)
    assert not any(each.reachable for each in rows(Contact, Contact.user_id == fatou))
    by_link(agree, link(fatou))
    assert {each.channel for each in rows(Contact, Contact.user_id == fatou) if each.reachable} == {
        Channel.EMAIL
    }
    assert see(camille, fatou).consent is ConsentState.GIVEN
    by_link(stop, link(fatou))
    assert see(camille, fatou).consent is ConsentState.STOPPED
    assert not any(each.reachable for each in rows(Contact, Contact.user_id == fatou))
    with pytest.raises(ApiError, match="alone"):
        invite(camille, fatou)


def test_who_agrees_twice_is_told_of_once(camille: Person, frozen: time_machine.Traveller) -> None:
    fatou = enter(camille, email=MAIL)
    hook = Webhook(
        id=new_id(), organisation_id=one(Organisation).id, url="https://example.org/", secret="whsec_",
        events=[WebhookEvent.CONSENT_GIVEN],
    )  # fmt: skip
    save(hook)
    for _ in range(2):
        by_link(agree, link(fatou))
        frozen.shift(timedelta(seconds=1))
    assert len(rows(WebhookDelivery)) == 1


def test_before_it_is_opened_changed_addresses_get_few_invitations(camille: Person) -> None:
    change(Organisation, opened_at=None, granted_until=None)
    fatou = enter(camille)
    for number in range(6):
        changed = PersonChange(email=f"stranger{number}@example.org")
        act(camille, partial(change_by, fatou, changed))
        if number < 5:
            assert invite(camille, fatou) == 1
    with pytest.raises(ApiError) as refused:
        invite(camille, fatou)
    assert refused.value.status == 429


def test_a_new_address_is_asked_anew_and_the_link_to_the_former_one_is_dead(camille: Person) -> None:
    fatou = enter(camille, email=MAIL)
    invite(camille, fatou)
    former = link(fatou)
    by_link(agree, former)
    changed = PersonChange(email="other@example.org", told=Told.PERSON)
    act(camille, lambda s, caller: change_person(s, caller, fatou, changed))
    assert see(camille, fatou).consent is not ConsentState.GIVEN
    assert by_link(find_help, former) is None
    assert invite(camille, fatou) == 1


def test_another_organisations_person_is_not_there_and_a_viewer_reads(
    camille: Person, person: People
) -> None:
    fatou = enter(camille)
    stranger, viewer = person("alex@example.org"), person("vera@example.org")
    ask(stranger)
    join(camille, viewer, "viewer")
    alert = wait_for(camille, fatou)
    acts: tuple[Callable[[Any, Caller], Any], ...] = (
        lambda s, caller: change_person(s, caller, fatou, PersonChange(told=Told.BOTH)),
        lambda s, caller: invite_person(s, caller, fatou),
        lambda s, caller: end_help(s, caller, fatou),
        lambda s, caller: keep_help(s, caller, fatou),
        lambda s, caller: add_alert(s, caller, fatou, NewAlert.model_validate({"deskIds": [BOBIGNY]})),
        lambda s, caller: switch_person_alert(s, caller, fatou, alert, enabled=False),
        lambda s, caller: mark_found(s, caller, fatou, alert, FoundAppointment()),
    )
    for do in acts:
        for who, status in ((stranger, 404), (viewer, 403)):
            with pytest.raises(ApiError) as refused:
                act(who, do)
            assert refused.value.status == status
    assert see(viewer, fatou).label == "Madame K."
    assert act(stranger, lambda s, caller: list_people(s, caller, PeopleFilter())) == []
    seen = one(AuditEntry, AuditEntry.action == "person.show")
    assert (seen.actor_id, seen.subject_id) == (viewer.id, str(fatou))


def test_the_table_says_what_waits_and_found_by_one_member_is_found_for_all(
    camille: Person, person: People
) -> None:
    one_of_two, other = enter(camille), enter(camille)
    alert = wait_for(camille, one_of_two)
    assert one(Alert).name is None, "a name would travel with each message"
    listed = act(camille, lambda s, caller: list_people(s, caller, PeopleFilter(state=AlertState.WAITING)))
    assert [(each.id, each.reference) for each in listed] == [(one_of_two, 1)]
    zoe = person("zoe@example.org")
    join(camille, zoe)
    act(zoe, lambda s, caller: mark_found(s, caller, one_of_two, alert, FoundAppointment(place="Guichet 4")))
    assert [each.state for each in see(camille, one_of_two).alerts] == [AlertState.FOUND]
    assert see(camille, other).alerts == []


def test_the_end_of_a_help_is_told_14_days_before_to_each_contact_but_of_who_said_no(camille: Person) -> None:
    fatou, silent = enter(camille, email=MAIL), enter(camille, email="nadia@example.org", phone=PHONE)
    stopped, alone = enter(camille, email="zoe@example.org"), enter(camille)
    by_link(agree, link(fatou))
    by_link(stop, link(stopped))
    for each in (fatou, silent, stopped, alone):
        act(camille, partial(end_by, each))
    told = [(each.user_id, each.channel) for each in rows(Notification, Notification.kind == "help_ends")]
    assert sorted(told) == sorted([(fatou, Channel.EMAIL), (silent, Channel.EMAIL), (silent, Channel.SMS)])
    in_time = clock() + timedelta(days=14)
    assert {see(camille, each).ends_at for each in (fatou, silent, stopped)} == {in_time}
    assert see(camille, alone).ends_at == clock()
    act(camille, lambda s, caller: keep_help(s, caller, fatou))
    assert see(camille, fatou).ends_at is None


@pytest.mark.parametrize("is_open", [True, False])
def test_an_end_that_is_taken_back_in_ten_minutes_writes_nothing_and_one_that_stays_writes_once_a_day(
    camille: Person, frozen: time_machine.Traveller, *, is_open: bool
) -> None:
    """End, keep, end: it was sixty SMS in a minute to one person."""
    fatou = enter(camille, email=MAIL, phone=PHONE)
    change(Contact, verified_at=clock())
    for _ in range(20):
        act(camille, partial(end_by, fatou))
        act(camille, lambda s, caller: keep_help(s, caller, fatou))
    assert rows(Notification, Notification.kind == "help_ends") == []
    for _ in range(3):
        act(camille, partial(end_by, fatou))
        told = rows(Notification, Notification.kind == "help_ends")
        assert len(told) == 2
        assert is_open or {each.next_attempt_at for each in told} == {clock() + timedelta(minutes=10)}
        if is_open:  # it has left
            change(Notification, Notification.kind == "help_ends", state="sent", accepted_at=clock())
        act(camille, lambda s, caller: keep_help(s, caller, fatou))
    frozen.shift(timedelta(days=1))
    act(camille, partial(end_by, fatou))
    assert len(rows(Notification, Notification.kind == "help_ends")) == (4 if is_open else 2)


def test_a_person_takes_all_over_into_an_account_and_the_organisation_sees_nothing_more(
    camille: Person,
) -> None:
    fatou = enter(camille, phone=PHONE)
    alert = wait_for(camille, fatou)
    token = link(fatou, Channel.SMS)
    with pytest.raises(ApiError) as refused:
        take_over(token, TakeOver(password=PASSWORD))
    assert refused.value.word == "address-needed"
    by_link(ask_for_account, token, OwnAddress(email=MAIL))
    take_over(link(fatou), TakeOver(password=PASSWORD))
    user = one(User, User.id == fatou)
    assert (user.role, user.email, one(Alert).id) == (Role.USER, MAIL, alert)
    assert rows(Beneficiary) == []
    assert one(Notification, Notification.kind == "organisation_news").params["reference"] == 1
    with pytest.raises(ApiError) as gone:
        see(camille, fatou)
    assert gone.value.status == 404
    assert by_link(find_help, token) is None


def test_where_a_contact_is_confirmed_the_link_of_another_one_takes_nothing_over(
    camille: Person, frozen: time_machine.Traveller
) -> None:
    fatou = enter(camille, phone=PHONE)
    by_link(agree, link(fatou, Channel.SMS))
    act(camille, partial(change_by, fatou, PersonChange(email="caseworker@example.org")))
    strange = link(fatou)
    frozen.shift(timedelta(seconds=1))
    by_link(agree, strange)
    refused: tuple[Callable[[], object], ...] = (
        lambda: take_over(strange, TakeOver(password=PASSWORD)),
        lambda: by_link(ask_for_account, strange, OwnAddress(email="caseworker@example.org")),
        lambda: by_link(agree_to_alert, strange, new_id()),
    )
    for do in refused:
        with pytest.raises(ApiError) as error:
            do()
        assert error.value.word == "address-confirmed"
    by_link(ask_for_account, link(fatou, Channel.SMS), OwnAddress(email=MAIL))
    chosen = one(Contact, Contact.user_id == fatou, Contact.channel == Channel.EMAIL).id
    take_over(write_token(ShowHelp(chosen, chosen=True)), TakeOver(password=PASSWORD))
    assert one(User, User.id == fatou).email == MAIL


def test_who_removes_the_contact_that_was_confirmed_has_neither_its_consents_nor_its_power(
    camille: Person, frozen: time_machine.Traveller, settings_env: Callable[..., None], tmp_path: Path
) -> None:
    reveal_health(tmp_path, settings_env)
    fatou = enter(camille, email=MAIL)
    alert = wait_for(camille, fatou)
    by_link(agree, link(fatou))
    by_link(agree_to_alert, link(fatou), alert)
    frozen.shift(timedelta(days=1))
    act(camille, partial(change_by, fatou, PersonChange(email="caseworker@example.org")))
    assert see(camille, fatou).alerts[0].state is AlertState.NEEDS_CONSENT
    assert one(Notification, Notification.kind == "help_contact_removed").address == MAIL
    assert see(camille, fatou).consent is ConsentState.NOT_ASKED
    by_link(agree, link(fatou))
    for do in (
        lambda: take_over(link(fatou), TakeOver(password=PASSWORD)),
        lambda: by_link(agree_to_alert, link(fatou), alert),
    ):
        with pytest.raises(ApiError, match="14 days"):
            do()
    frozen.shift(timedelta(days=14))
    by_link(agree_to_alert, link(fatou), alert)
    assert see(camille, fatou).alerts[0].state is AlertState.WAITING


def test_an_address_that_has_an_account_takes_nothing_over(camille: Person) -> None:
    fatou = enter(camille, email=camille.email)
    with pytest.raises(ApiError) as refused:
        take_over(link(fatou), TakeOver(password=PASSWORD))
    assert refused.value.word == "address-taken"
    assert one(User, User.id == fatou).role is Role.BENEFICIARY


def test_a_person_has_all_deleted_by_the_link(camille: Person) -> None:
    fatou = enter(camille, email=MAIL)
    wait_for(camille, fatou)
    by_link(delete_help, link(fatou))
    assert rows(User, User.id == fatou) == rows(Alert) == rows(Beneficiary) == []


def test_a_member_cannot_consent_for_a_person_to_what_reveals_health(
    camille: Person, settings_env: Callable[..., None], tmp_path: Path
) -> None:
    reveal_health(tmp_path, settings_env)
    fatou = enter(camille, email=MAIL)
    alert = wait_for(camille, fatou)
    assert [each.state for each in see(camille, fatou).alerts] == [AlertState.NEEDS_CONSENT]
    with pytest.raises(ApiError) as refused:
        act(camille, lambda s, caller: switch_person_alert(s, caller, fatou, alert, enabled=True))
    assert refused.value.word == "health-consent"
    by_link(agree_to_alert, link(fatou), alert)
    assert [each.state for each in see(camille, fatou).alerts] == [AlertState.WAITING]


def test_nor_where_people_report_the_desk_which_checks_see_later(
    camille: Person, settings_env: Callable[..., None], tmp_path: Path
) -> None:
    reveal_health(tmp_path, settings_env)
    file = tmp_path / "prefectures" / "bobigny_93.yaml"
    watched = file.read_text(encoding="utf-8").replace(
        "    neutral_label", "    watch: people\n    neutral_label"
    )
    file.write_text(watched, encoding="utf-8")
    settings_env(PREFECTURES_DIR=tmp_path / "prefectures")
    wait_for(camille, enter(camille, email=MAIL))
    alert = one(Alert)
    assert (alert.enabled, alert.is_free, alert.consented_at) == (False, False, None)


def test_an_ended_member_and_a_demoted_one_act_no_more(camille: Person, person: People) -> None:
    zoe = person("zoe@example.org")
    member = join(camille, zoe)
    fatou = enter(zoe)
    change(Member, Member.id == member, role=MemberRole.VIEWER)
    with pytest.raises(ApiError):
        act(zoe, lambda s, caller: end_help(s, caller, fatou))
    end(camille, member)
    with session() as s, pytest.raises(ApiError):
        read_caller(s, zoe.id)
    assert one(Organisation).next_reference == 2


@pytest.mark.parametrize(
    ("language", "yes"),
    [("fr", "Oui, me prévenir ici"), ("en", "Yes, tell me here"), ("ar", "نعم، أعلموني هنا")],
)
def test_the_page_of_the_link_asks_in_the_persons_language_and_a_get_confirms_nothing(
    camille: Person, language: str, yes: str
) -> None:
    fatou = enter(camille, email=MAIL, language=language)
    page, client = f"/l/{link(fatou)}", camille.app.test_client(use_cookies=False)
    assert yes in client.get(page).text
    assert see(camille, fatou).consent is ConsentState.NOT_ASKED
    assert client.post(page, data={"do": "yes"}).status_code == 200
    assert see(camille, fatou).consent is ConsentState.GIVEN
    assert client.post(page, data={"do": "account", "password": "azertyuiop12"}).status_code == 422
    assert client.post(page, data={"do": "delete"}).status_code == 200
    assert client.get(page).status_code == 200
    assert rows(Beneficiary) == []
