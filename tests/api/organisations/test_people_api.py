"""People of an organisation by JSON routes: for members and for API keys, each within its walls."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import redis

from api.models.base import session
from api.models.organisation import Beneficiary, Member, MemberRole, Organisation, OrganisationEnd
from api.models.organisation_access import KeyScope, OrganisationKey, Webhook, WebhookDelivery, WebhookEvent
from api.models.user import Contact
from api.organisations.callers import read_caller
from api.organisations.own_help import agree
from api.organisations.programs import end_key, make_key
from api.organisations.schemas import NewKey
from configs.ground.clock import clock
from configs.ground.signing import ShowHelp, write_token
from tests.api.world import count_more, see_for
from tests.clients import People, Person, problem, read_json
from tests.desk_proofs import prove_desks
from tests.factories import add_organisation, change, one, rows, save
from tests.in_turn import in_turn

pytestmark = pytest.mark.usefixtures("frozen")
URL = "/api/organisations/people"
NEW = {"label": "Madame K.", "language": "ar", "email": "fatou@example.org"}
WISH = {"prefectureId": "bobigny_93", "procedures": ["TITRE_SEJOUR"]}


@pytest.fixture
def camille(person: People) -> Person:
    who = person("camille@example.org")
    add_organisation(who.id)
    prove_desks()
    return who


def key_of(owner: Person, *scopes: KeyScope) -> Person:
    """Return a program that asks by a new key, in the owner's name otherwise."""
    with session() as s:
        wish = NewKey(name="Tableau", scopes=list(scopes or KeyScope))
        text = make_key(s, read_caller(s, owner.id), wish)
    return replace(owner, headers={"Authorization": f"Bearer {text}"})


def test_a_program_does_for_people_what_its_scopes_allow(camille: Person) -> None:
    save(Webhook(organisation_id=one(Organisation).id, url="https://x.example", secret="whsec_eA==", events=[*WebhookEvent]))  # fmt: skip
    key = key_of(camille)
    made = read_json(key.post(URL, NEW), 201)
    assert (made["reference"], made["label"], made["consent"]) == (1, "Madame K.", "not_asked")
    mine = f"{URL}/{made['id']}"
    assert read_json(key.patch(mine, {"label": "Madame L."}))["label"] == "Madame L."
    alert = read_json(key.post(f"{mine}/alerts", WISH), 201)["alerts"][0]["id"]
    changed = {"isActive": False, "limits": {"weekdays": [1]}}
    assert read_json(key.patch(f"{mine}/alerts/{alert}", changed))["alerts"][0]["state"] == "paused"
    see_for(UUID(made["id"]))
    shown, hidden = (read_json(who.get(f"{mine}/detections"))["items"] for who in (camille, key))
    assert shown[0]["bookingUrl"].startswith("https://")
    assert (hidden[0]["bookingUrl"], hidden[0]["id"]) == ("", shown[0]["id"])
    assert read_json(key.post(f"{mine}/alerts/{alert}/found", {}))["alerts"]
    with session() as s:
        agree(s, write_token(ShowHelp(one(Contact, Contact.user_id == UUID(made["id"])).id)))
    events = {each.body["type"]: each.body["data"] for each in rows(WebhookDelivery)}
    assert events == {"person.found": {"reference": 1}, "consent.given": {"reference": 1}}
    assert read_json(key.get(mine))["consent"] == "given"
    assert key.delete(f"{mine}/alerts/{alert}").status_code in (204, 404)
    assert read_json(key.delete(mine))["endsAt"] is not None
    assert one(OrganisationKey).last_used_at == clock()


def test_people_are_listed_page_by_page_the_newest_first(camille: Person) -> None:
    key = key_of(camille, KeyScope.PEOPLE_READ)
    for number in range(3):
        read_json(camille.post(URL, {"label": str(number)}), 201)
    first = read_json(key.get(URL, limit=2))
    rest = read_json(key.get(URL, limit=2, before=first["next"]))
    found = [each["label"] for each in (*first["items"], *rest["items"])]
    assert (found, rest["next"]) == (["2", "1", "0"], None)


def _with_headers(owner: Person, text: str) -> Person:
    return replace(owner, headers={"Authorization": f"Bearer {text}"})


def _ended(owner: Person) -> Person:
    key = key_of(owner)
    with session() as s:
        caller = read_caller(s, owner.id)
        for each in s.query(OrganisationKey).all():
            end_key(s, caller, each.id)
    return key


def _while_not_open(owner: Person) -> Person:
    key = key_of(owner)
    change(Organisation, granted_until=clock() - timedelta(seconds=1))
    return key


def _while_stopped(owner: Person) -> Person:
    key = key_of(owner)
    ended = {
        "ends_at": clock() + timedelta(days=14),
        "ends_because": OrganisationEnd.ABUSE,
        "end_reason": "x",
    }
    change(Organisation, **ended)
    return key


WALLS: tuple[tuple[str, Callable[[Person], Person], tuple[int, str]], ...] = (
    ("no key of ours", lambda who: _with_headers(who, "rdv_org_AAAA"), (401, "not-signed-in")),
    ("ended", _ended, (401, "key-ended")),
    ("reads only", lambda who: key_of(who, KeyScope.PEOPLE_READ), (403, "scope-missing")),
    ("alerts only", lambda who: key_of(who, KeyScope.ALERTS_WRITE), (403, "scope-missing")),
    ("not open any more", _while_not_open, (403, "not-opened")),
    ("stopped for abuse", _while_stopped, (403, "organisation-ended")),
)  # fmt: skip


@pytest.mark.parametrize(("make", "refusal"), [pytest.param(*each[1:], id=each[0]) for each in WALLS])
def test_a_key_without_the_right_is_refused_in_clear_words(
    camille: Person, make: Callable[[Person], Person], refusal: tuple[int, str]
) -> None:
    answer = make(camille).post(URL, NEW)
    assert problem(answer) == refusal
    assert rows(Beneficiary) == []


def test_a_key_reaches_nothing_of_another_organisation_nor_of_its_owners(
    camille: Person, person: People
) -> None:
    robin = person("robin@example.org")
    add_organisation(robin.id)
    made = read_json(robin.post(URL, NEW), 201)["id"]
    alert = read_json(robin.post(f"{URL}/{made}/alerts", WISH), 201)["alerts"][0]["id"]
    key = key_of(camille)
    mine = f"{URL}/{made}"
    asked: list[tuple[str, str, Any]] = [
        ("GET", mine, None), ("PATCH", mine, {}), ("DELETE", mine, None), ("POST", f"{mine}/invite", None),
        ("GET", f"{mine}/detections", None), ("POST", f"{mine}/alerts", WISH),
        ("PATCH", f"{mine}/alerts/{alert}", {"isActive": False}), ("DELETE", f"{mine}/alerts/{alert}", None),
        ("POST", f"{mine}/alerts/{alert}/found", {}),
    ]  # fmt: skip
    for method, path, body in asked:
        for who in (key, camille):
            assert problem(who.send(method, path, body)) == (404, "not-found"), (method, path)
    for path in ("/api/alerts", "/api/auth/me"):
        assert problem(key.get(path)) == (401, "not-signed-in"), path
    assert read_json(key.get(URL))["items"] == []


@in_turn("role, status", [(MemberRole.VIEWER, 403), (MemberRole.CASEWORKER, 201)])
def test_roles_hold_for_members_tokens(
    camille: Person, person: People, role: MemberRole, status: int
) -> None:
    helper = person(f"{role}@example.org")
    organisation = one(Organisation)
    save(Member(organisation_id=organisation.id, user_id=helper.id, role=role, joined_at=clock()))
    assert helper.post(URL, NEW | {"email": None}).status_code == status
    assert helper.get(URL).status_code == 200


def test_the_keys_of_an_organisation_together_have_the_limit_of_one_person(
    camille: Person, redis_server: redis.Redis
) -> None:
    assert key_of(camille).get(URL).status_code == 200
    count_more(redis_server, f"*/user/{one(Organisation).id}/300/5/minute", 300)
    assert key_of(camille).get(URL).status_code == 429
    assert camille.get(URL).status_code == 200
