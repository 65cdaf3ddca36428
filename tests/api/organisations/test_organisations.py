"""Organisations: asked for, their contract, members and roles, people, and their ends."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
import time_machine
from pydantic import ValidationError

from api.ground.errors import ApiError
from api.jobs import schedule as jobs
from api.models.audit import ActorKind, AuditEntry
from api.models.base import session
from api.models.notification import Notification
from api.models.organisation import Beneficiary, Member, Organisation, OrganisationEnd
from api.models.user import Grant, Role, User
from api.organisations.callers import Caller, Right, read_caller
from api.organisations.ends import apply_grant, end_by_owner, end_organisation, keep_organisation
from api.organisations.members import (
    accept_invitation,
    change_hours,
    change_role,
    end_member,
    invite_member,
    list_members,
)
from api.organisations.people import enter_people, find_person
from api.organisations.schemas import (
    Acceptance,
    Invitation,
    NewOrganisation,
    NewPerson,
    NewRole,
    OrganisationChange,
    OwnHours,
)
from api.organisations.service import (
    accept_contract,
    ask_for_organisation,
    change_organisation,
    list_versions,
)
from configs.ground.clock import clock
from tests.clients import People, Person, problem
from tests.factories import change, get, give_role, one, rows

pytestmark = pytest.mark.usefixtures("frozen")
WISH: dict[str, Any] = {
    "name": "Accueil 93", "kind": "association", "address": "1 rue de la Paix, 93000 Bobigny",
    "purpose": "Nous aidons des familles à renouveler leur titre de séjour.", "siren": "732 829 320",
}  # fmt: skip
DAY = timedelta(days=1)


@pytest.fixture
def camille(person: People) -> Person:
    who = person("camille@example.org")
    ask(who)
    return who


def open_it(until: timedelta = 30 * DAY) -> None:
    """Open the organisation as an operator does, and accept its contract."""
    accepted = {"contract_accepted_at": clock(), "contract_accepted_by": UUID(int=1)}
    opened = {"opened_at": clock(), "granted_until": clock() + until}
    change(Organisation, contract_version=list_versions()[0], **opened, **accepted)


def ask(who: Person, **fields: str) -> None:
    """Ask for an organisation, whose owner the person is then."""
    with session() as s:
        ask_for_organisation(s, who.id, NewOrganisation.model_validate(WISH | fields))


def invite(owner: Person, email: str, role: str = "caseworker") -> UUID:
    wish = Invitation.model_validate({"email": email, "role": role})
    made: UUID = act(owner, lambda s, caller: invite_member(s, caller, wish).id)
    return made


def accept(who: Person, member: UUID) -> None:
    with session() as s:
        accept_invitation(s, who.id, member)


def join(owner: Person, who: Person, role: str = "caseworker") -> UUID:
    """Invite a person, who accepts; return the member's id."""
    member = invite(owner, who.email, role)
    accept(who, member)
    return member


def act(who: Person, do: Callable[[Any, Caller], Any]) -> Any:
    """Do something as the member that a person is now."""
    with session() as s:
        return do(s, read_caller(s, who.id))


def refuse(word: str, do: Callable[..., Any], *given: Any) -> None:
    """Check that something is refused by the word of a problem."""
    with pytest.raises(ApiError) as refused:
        do(*given)
    assert refused.value.word == word


def enter(who: Person, label: str = "Madame K.") -> UUID:
    made: UUID = act(
        who, lambda s, caller: enter_people(s, caller, [NewPerson(label=label, language="ar")])[0]
    )
    return made


def own(who: Person) -> UUID:
    return one(Member, Member.user_id == who.id).id


def end(who: Person, member: UUID) -> None:
    act(who, lambda s, caller: end_member(s, caller, member))


def set_role(who: Person, member: UUID, role: str) -> None:
    act(who, lambda s, caller: change_role(s, caller, member, NewRole.model_validate({"role": role})))


def accept_version(who: Person, version: str) -> None:
    act(who, lambda s, caller: accept_contract(s, caller, Acceptance(version=version)))


def change_it(who: Person, **fields: Any) -> None:
    wish = OrganisationChange.model_validate(fields)
    act(who, lambda s, caller: change_organisation(s, caller, wish))


def see_members(who: Person) -> list[tuple[Member, str]]:
    found: list[tuple[Member, str]] = act(who, list_members)
    return found


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"siren": "732829321"}, "siren"), ({"siren": "12"}, "siren"), ({"vatNumber": "FR 41 732 829 320"}, "vatNumber"),
        ({"vatNumber": "Q1"}, "vatNumber"), ({"purpose": "x"}, "purpose"), ({"kind": "party"}, "kind"),
    ],
)  # fmt: skip
def test_a_number_with_a_wrong_key_is_named(fields: dict[str, str], path: str) -> None:
    with pytest.raises(ValidationError) as refused:
        NewOrganisation.model_validate(WISH | fields)
    assert [each["loc"] for each in refused.value.errors()] == [(path,)]


def test_who_asks_is_the_owner_of_one_organisation_and_operators_are_told(camille: Person) -> None:
    row = one(Organisation)
    assert (row.siren, row.opened_at, get(Member, own(camille)).role) == ("732829320", None, "owner")
    refuse("already-member", ask, camille)
    change_it(camille, vatNumber="fr 44 732829320")
    assert one(Organisation).vat_number == "FR44732829320"
    assert one(AuditEntry, AuditEntry.action == "organisation.change").actor_kind is ActorKind.MEMBER


def test_before_it_is_opened_it_has_two_members_and_two_people_who_have_no_plan(
    camille: Person, person: People
) -> None:
    join(camille, person("robin@example.org"))
    refuse("too-many-members", invite, camille, "third@example.org")
    refuse("contract-needed", enter, camille)
    refuse("contract-changed", accept_version, camille, "2020-01-01")
    accept_version(camille, list_versions()[0])
    assert [get(Beneficiary, enter(camille)).reference for _ in range(2)] == [1, 2]
    refuse("too-many-people", enter, camille)
    assert rows(Grant) == []


def test_an_invitation_is_for_the_account_of_its_address_and_names_no_house_that_nobody_opened(
    camille: Person, person: People, frozen: time_machine.Traveller
) -> None:
    robin, stranger = person("robin@example.org"), person("stranger@example.org")
    member = invite(camille, "Robin@example.org", "viewer")
    mail = one(Notification, Notification.kind == "member_invited")
    assert (mail.address, mail.params["organisation"], mail.params["by"]) == (robin.email, "", camille.email)
    refuse("already-invited", invite, camille, "robin@example.org")
    refuse("not-found", accept, stranger, member)
    frozen.shift(14 * DAY)
    refuse("not-found", accept, robin, member)
    join(camille, robin, "viewer")
    refuse("role-too-low", invite, robin, "another@example.org")


def test_an_invitation_that_is_taken_back_while_it_is_accepted_is_none(
    camille: Person, person: People
) -> None:
    robin = person("robin@example.org")
    member = invite(camille, robin.email)
    with ThreadPoolExecutor(1) as threads:
        with session() as s:
            end_member(s, read_caller(s, camille.id), member)
            accepted = threads.submit(accept, robin, member)
            while not s.scalar(sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
                wait([accepted], timeout=0.01)
        with pytest.raises(ApiError) as refused:
            accepted.result()
    assert refused.value.word == "not-found"


def _may(who: Person, helped: UUID, right: Right) -> bool:
    try:
        act(who, lambda s, caller: find_person(s, caller, helped, right))
    except ApiError as error:
        if error.word != "role-too-low":
            raise
        return False
    return True


# By role: what each may do.
ROLES = [
    ("owner", {Right.READ, Right.HELP, Right.MANAGE}),
    ("caseworker", {Right.READ, Right.HELP}),
    ("viewer", {Right.READ}),
]


@pytest.mark.parametrize(("role", "rights"), ROLES)
def test_each_role_may_do_what_it_may(camille: Person, person: People, role: str, rights: set[Right]) -> None:
    open_it()
    robin = person("robin@example.org")
    join(camille, robin, role)
    helped = enter(camille)
    manages: tuple[Callable[[], None], ...] = (
        lambda: change_it(robin, address="2 rue de la Paix, 93000 Bobigny"),
        lambda: accept_version(robin, list_versions()[0]),
        lambda: set_role(robin, own(camille), "owner"),
    )
    for do in manages:
        if Right.MANAGE in rights:
            do()
        else:
            refuse("role-too-low", do)
    assert len(see_members(robin)) == 2
    hours = OwnHours.model_validate({"toldFrom": "09:00", "toldUntil": "18:00"})
    act(robin, lambda s, caller: change_hours(s, caller, hours))
    assert {right for right in Right if _may(robin, helped, right)} == rights


def test_what_is_another_organisation_s_does_not_exist(camille: Person, person: People) -> None:
    open_it()
    helped, member = enter(camille), own(camille)
    robin, nobody = person("robin@example.org"), person("nobody@example.org")
    ask(robin, name="Une autre")
    for who in (robin, nobody):
        refuse("not-found", set_role, who, member, "viewer")
        refuse("not-found", end, who, member)
        refuse("not-found", act, who, lambda s, caller: find_person(s, caller, helped, Right.READ))


def test_an_ended_member_is_out_with_the_next_request_by_the_same_token(
    camille: Person, person: People
) -> None:
    open_it()
    robin = person("robin@example.org")
    member = join(camille, robin)
    assert robin.get("/api/organisations/people").status_code == 200
    end(camille, member)
    assert problem(robin.get("/api/organisations/people")) == (404, "not-found")
    assert robin.get("/api/auth/me").status_code == 200, "the account stays the member's own"
    assert one(Notification, Notification.params["what"].astext == "member_ended").user_id == robin.id


def test_an_owner_leaves_only_where_another_one_is_left(camille: Person, person: People) -> None:
    refuse("last-owner", end, camille, own(camille))
    refuse("last-owner", set_role, camille, own(camille), "viewer")
    assert problem(camille.delete("/api/users/me", {"understood": True})) == (409, "last-owner")
    join(camille, person("robin@example.org"), "owner")
    end(camille, own(camille))
    assert one(Member).user_id != camille.id


def test_a_suspended_owner_does_nothing_and_the_house_goes_on(camille: Person, person: People) -> None:
    robin = person("robin@example.org")
    join(camille, robin)
    anna = person("anna@example.org")
    open_it()
    invitation = invite(camille, anna.email)
    change(User, User.id != robin.id, suspended_at=clock(), suspended_because="x")
    refuse("account-suspended", see_members, camille)
    refuse("account-suspended", accept, anna, invitation)
    refuse("account-suspended", ask, anna)
    assert len(see_members(robin)) == 3


def test_a_second_factor_that_is_asked_of_all_keeps_out_who_has_none(camille: Person, person: People) -> None:
    robin = person("robin@example.org")
    join(camille, robin)
    refuse("second-factor-needed", lambda: change_it(camille, needsSecondFactor=True))
    give_role(camille.id, Role.USER)
    change_it(camille, needsSecondFactor=True)
    refuse("second-factor-needed", see_members, robin)
    give_role(robin.id, Role.USER)
    assert len(see_members(robin)) == 2


def test_people_have_the_organisation_s_grant_and_never_an_account(camille: Person) -> None:
    open_it()
    helped = enter(camille)
    grant, user = one(Grant), get(User, helped)
    assert (grant.user_id, grant.ends_at) == (helped, clock() + 30 * DAY)
    assert (user.role, user.password_hash) == (Role.BENEFICIARY, None)
    body = {"email": user.email, "password": "correct horse battery"}
    assert problem(camille.post("/api/auth/login", body)) == (401, "wrong-login")
    assert camille.post("/api/auth/register", body).status_code == 422
    assert camille.post("/api/auth/forgot-password", {"email": user.email}).status_code == 422
    with session() as s:
        organisation = s.get_one(Organisation, one(Organisation).id)
        organisation.granted_until = clock() + 60 * DAY
        apply_grant(s, organisation)
    assert one(Grant).ends_at == clock() + 60 * DAY


def test_an_end_is_told_and_comes_after_fourteen_days(
    camille: Person, frozen: time_machine.Traveller
) -> None:
    open_it()
    helped = enter(camille)
    act(camille, end_by_owner)
    assert one(Organisation).ends_because is OrganisationEnd.DELETED
    assert one(Notification, Notification.kind == "organisation_news").params["what"] == "ends"
    assert one(Grant).ends_at == clock() + 14 * DAY
    frozen.shift(13 * DAY)
    assert jobs.end_organisations()["people"] == 0
    assert len(see_members(camille)) == 1
    frozen.shift(DAY)
    assert jobs.end_organisations() == {"people": 1, "organisations": 1, "failed": 0}
    assert (rows(User, User.id == helped), rows(Member), one(Organisation).ended_at) == ([], [], clock())
    assert not rows(Notification, Notification.kind == "account_deleted")


def test_abuse_stops_it_at_once_and_its_people_have_fourteen_days(
    camille: Person, frozen: time_machine.Traveller
) -> None:
    open_it()
    helped = enter(camille)
    frozen.shift(DAY)
    with session() as s:
        row = s.get_one(Organisation, one(Organisation).id)
        end_organisation(s, row, OrganisationEnd.ABUSE, "des rendez-vous vendus")
    refuse("organisation-ended", see_members, camille)
    assert one(Grant).ends_at == clock()
    jobs.end_organisations()
    assert rows(User, User.id == helped)
    with session() as s:
        keep_organisation(s, s.get_one(Organisation, one(Organisation).id))
    assert len(see_members(camille)) == 1
    assert rows(Grant)[-1].ends_at == clock() + 29 * DAY


def test_members_are_told_once_that_the_grant_ends(camille: Person, frozen: time_machine.Traveller) -> None:
    open_it(15 * DAY)
    jobs.end_organisations()
    assert not rows(Notification, Notification.kind == "organisation_news")
    frozen.shift(2 * DAY)
    for _ in range(2):
        jobs.end_organisations()
    told = one(Notification, Notification.kind == "organisation_news")
    assert told.params["what"] == "grant_ends"
