"""Organisations: asked for, their contract, members and roles, people, and their ends."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine

from api.ground.errors import ApiError
from api.jobs import schedule as jobs
from api.models.audit import ActorKind, AuditEntry
from api.models.base import session
from api.models.notification import Notification
from api.models.organisation import Beneficiary, Member, Organisation, OrganisationEnd
from api.models.user import Grant, Role, User
from api.organisations.callers import Caller, Right, read_caller
from api.organisations.contracts import list_versions
from api.organisations.ends import end_organisation, keep_organisation
from api.organisations.grants import apply_grant
from api.organisations.people import add_person, find_person
from configs.ground.clock import clock
from tests.clients import People, Person, problem, read_json, sign_in
from tests.factories import change, get, give_role, one, rows

pytestmark = pytest.mark.usefixtures("frozen")
URL = "/api/organisations"
WISH: dict[str, Any] = {
    "name": "Accueil 93", "kind": "association", "address": "1 rue de la Paix, 93000 Bobigny",
    "purpose": "Nous aidons des familles à renouveler leur titre de séjour.", "siren": "732 829 320",
}  # fmt: skip
DAY = timedelta(days=1)


@pytest.fixture
def camille(person: People) -> Person:
    who = person("camille@example.org")
    read_json(who.post(URL, WISH), 201)
    return who


def open_it(until: timedelta = 30 * DAY) -> None:
    """Open the organisation as an operator does, and accept its contract."""
    accepted = {"contract_accepted_at": clock(), "contract_accepted_by": UUID(int=1)}
    opened = {"opened_at": clock(), "granted_until": clock() + until}
    change(Organisation, contract_version=list_versions()[0], **opened, **accepted)


def join(owner: Person, who: Person, role: str = "caseworker") -> str:
    """Invite a person, who accepts; return the member's id."""
    listed = read_json(owner.post(f"{URL}/members", {"email": who.email, "role": role}), 201)["items"]
    member: str = listed[-1]["id"]
    read_json(who.post(f"{URL}/members/{member}/accept"))
    return member


def act(who: Person, do: Callable[[Any, Caller], Any]) -> Any:
    """Do something as the member that a person is now."""
    with session() as s:
        return do(s, read_caller(s, who.id))


def enter(who: Person, label: str = "Madame K.") -> UUID:
    made: UUID = act(who, lambda s, caller: add_person(s, caller, label, "ar").user_id)
    return made


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"siren": "732829321"}, "siren"), ({"siren": "12"}, "siren"), ({"vatNumber": "FR 41 732 829 320"}, "vatNumber"),
        ({"vatNumber": "Q1"}, "vatNumber"), ({"purpose": "x"}, "purpose"), ({"kind": "party"}, "kind"),
    ],
)  # fmt: skip
def test_a_number_with_a_wrong_key_is_named(person: People, fields: dict[str, str], path: str) -> None:
    answer = person().post(URL, WISH | fields)
    assert (answer.status_code, [each["path"] for each in answer.json["errors"]]) == (422, [path])


def test_who_asks_is_the_owner_of_one_organisation_and_operators_are_told(camille: Person) -> None:
    state = read_json(camille.get(URL))
    assert (state["siren"], state["role"], state["isOpen"], state["mostMembers"]) == (
        "732829320",
        "owner",
        False,
        2,
    )
    assert problem(camille.post(URL, WISH)) == (409, "already-member")
    assert camille.patch(URL, {"vatNumber": "fr 44 732829320"}).json["vatNumber"] == "FR44732829320"
    assert one(AuditEntry, AuditEntry.action == "organisation.change").actor_kind is ActorKind.MEMBER


def test_before_it_is_opened_it_has_two_members_and_two_people_who_have_no_plan(
    camille: Person, person: People
) -> None:
    join(camille, person("robin@example.org"))
    full = camille.post(f"{URL}/members", {"email": "third@example.org", "role": "viewer"})
    assert problem(full) == (409, "too-many-members")
    with pytest.raises(ApiError, match="accepts the contract"):
        enter(camille)
    assert problem(camille.post(f"{URL}/contract", {"version": "2020-01-01"})) == (409, "contract-changed")
    read_json(camille.post(f"{URL}/contract", {"version": list_versions()[0]}))
    assert [get(Beneficiary, enter(camille)).reference for _ in range(2)] == [1, 2]
    with pytest.raises(ApiError, match="no more people"):
        enter(camille)
    assert rows(Grant) == []


def test_an_invitation_is_for_the_account_of_its_address_and_names_no_house_that_nobody_opened(
    camille: Person, person: People, frozen: time_machine.Traveller
) -> None:
    robin, stranger = person("robin@example.org"), person("stranger@example.org")
    body = {"email": "Robin@example.org", "role": "viewer"}
    member = read_json(camille.post(f"{URL}/members", body), 201)["items"][1]["id"]
    mail = one(Notification, Notification.kind == "member_invited")
    assert (mail.address, mail.params["organisation"], mail.params["by"]) == (robin.email, "", camille.email)
    assert problem(camille.post(f"{URL}/members", body)) == (409, "already-invited")
    assert problem(stranger.post(f"{URL}/members/{member}/accept")) == (404, "not-found")
    frozen.shift(14 * DAY)
    camille, robin = (sign_in(each.app, each.id) for each in (camille, robin))
    assert problem(robin.post(f"{URL}/members/{member}/accept")) == (404, "not-found")
    join(camille, robin, "viewer")
    assert problem(robin.post(f"{URL}/members", body)) == (403, "role-too-low")


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
    mine = join(camille, robin, role)
    helped = enter(camille)
    owner = str(one(Member, Member.user_id == camille.id).id)
    manage = {
        robin.patch(URL, {"address": "2 rue de la Paix, 93000 Bobigny"}).status_code,
        robin.post(f"{URL}/contract", {"version": list_versions()[0]}).status_code,
        robin.patch(f"{URL}/members/{owner}", {"role": "owner"}).status_code,
    }
    assert manage == ({200} if Right.MANAGE in rights else {403})
    assert robin.get(f"{URL}/members").status_code == 200
    assert (
        robin.patch(f"{URL}/members/{mine}", {"toldFrom": "09:00", "toldUntil": "18:00"}).status_code == 200
    )
    may = {right for right in Right if _may(robin, helped, right)}
    assert may == rights


def test_what_is_another_organisation_s_does_not_exist(camille: Person, person: People) -> None:
    open_it()
    helped, member = enter(camille), str(one(Member, Member.user_id == camille.id).id)
    robin, nobody = person("robin@example.org"), person("nobody@example.org")
    read_json(robin.post(URL, WISH | {"name": "Une autre"}), 201)
    for who in (robin, nobody):
        assert problem(who.patch(f"{URL}/members/{member}", {"role": "viewer"})) == (404, "not-found")
        assert problem(who.delete(f"{URL}/members/{member}")) == (404, "not-found")
        with pytest.raises(ApiError, match="no such"):
            act(who, lambda s, caller: find_person(s, caller, helped, Right.READ))
    assert problem(nobody.get(URL)) == (404, "not-found")


def test_an_ended_member_is_out_with_the_next_request_by_the_same_token(
    camille: Person, person: People
) -> None:
    robin = person("robin@example.org")
    member = join(camille, robin)
    assert robin.get(f"{URL}/members").status_code == 200
    assert camille.delete(f"{URL}/members/{member}").status_code == 204
    assert problem(robin.get(f"{URL}/members")) == (404, "not-found")
    assert robin.get("/api/auth/me").status_code == 200, "the account stays the member's own"
    assert one(Notification, Notification.params["what"].astext == "member_ended").user_id == robin.id


def test_an_owner_leaves_only_where_another_one_is_left(camille: Person, person: People) -> None:
    own = str(one(Member, Member.user_id == camille.id).id)
    for answer in (
        camille.delete(f"{URL}/members/{own}"), camille.patch(f"{URL}/members/{own}", {"role": "viewer"}),
        camille.delete("/api/users/me", {"understood": True}),
    ):  # fmt: skip
        assert problem(answer) == (409, "last-owner")
    join(camille, person("robin@example.org"), "owner")
    assert camille.delete(f"{URL}/members/{own}").status_code == 204


def test_a_second_factor_that_is_asked_of_all_keeps_out_who_has_none(camille: Person, person: People) -> None:
    robin = person("robin@example.org")
    join(camille, robin)
    assert problem(camille.patch(URL, {"needsSecondFactor": True})) == (409, "second-factor-needed")
    give_role(camille.id, Role.USER)
    read_json(camille.patch(URL, {"needsSecondFactor": True}))
    assert problem(robin.get(f"{URL}/members")) == (403, "second-factor-needed")
    give_role(robin.id, Role.USER)
    assert robin.get(f"{URL}/members").status_code == 200


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


def end(because: OrganisationEnd, reason: str | None = None) -> None:
    with session() as s:
        end_organisation(s, s.get_one(Organisation, one(Organisation).id), because, reason)


def test_an_end_is_told_and_comes_after_fourteen_days(
    camille: Person, frozen: time_machine.Traveller
) -> None:
    open_it()
    helped = enter(camille)
    assert camille.delete(URL).json["endsBecause"] == "deleted"
    assert one(Notification, Notification.kind == "organisation_news").params["what"] == "ends"
    assert one(Grant).ends_at == clock() + 14 * DAY
    frozen.shift(13 * DAY)
    assert jobs.end_organisations()["people"] == 0
    camille = sign_in(camille.app, camille.id)
    assert camille.get(f"{URL}/members").status_code == 200
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
    end(OrganisationEnd.ABUSE, "des rendez-vous vendus")
    assert problem(camille.get(f"{URL}/members")) == (403, "organisation-ended")
    assert read_json(camille.get(URL))["endReason"] == "des rendez-vous vendus"
    assert one(Grant).ends_at == clock()
    jobs.end_organisations()
    assert rows(User, User.id == helped)
    with session() as s:
        keep_organisation(s, s.get_one(Organisation, one(Organisation).id))
    assert camille.get(f"{URL}/members").status_code == 200
    assert rows(Grant)[-1].ends_at == clock() + 29 * DAY


def test_members_are_told_once_that_the_grant_ends(camille: Person, frozen: time_machine.Traveller) -> None:
    open_it(15 * DAY)
    jobs.end_organisations()
    assert not rows(Notification, Notification.kind == "organisation_news")
    frozen.shift(2 * DAY)
    for _ in range(2):
        jobs.end_organisations()
    assert one(Notification, Notification.kind == "organisation_news").params["what"] == "grant_ends"
