"""PATCH /api/users/profile and /notifications: what changes at once, and what when its owner confirms it."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask.testing import FlaskClient

import notifier
from api.accounts.queries import lock_user
from api.auth.mailbox_claims import sign_reset
from api.models.base import session
from api.models.login import Login
from api.models.notification import Notification
from api.models.user import Channel, Contact, User
from configs.ground.clock import clock
from configs.ground.contact_addresses import digest
from configs.ground.signed_links import VerifyAddress, write_token
from configs.world.plan import PlanName
from tests.api.world import Door
from tests.clients import People, Person, problem, read_json
from tests.factories import change, get, one, rows
from tests.in_turn import in_turn

PLAN = PlanName.URGENCE_TOTAL  # of Camille's
NEW = "nouvelle@example.org"


def patch(who: Person, path: str = "profile", **body: Any) -> Any:
    return who.patch(f"/api/users/{path}", body)


def changed(who: Person, path: str = "profile", **body: Any) -> dict[str, Any]:
    return read_json(patch(who, path, **body))


def link(who: Person, address: str) -> str:
    """Return the link that the mail to an address has."""
    contact = contact_of(who, Channel.EMAIL)
    version = get(User, who.id).token_version
    return f"/l/{write_token(VerifyAddress(contact.id, digest(address), new=version))}"


def move(who: Person, address: str) -> Any:
    """Confirm a new address where the account is signed in."""
    body = {"token": link(who, address).rpartition("/")[2]}
    return who.post("/api/auth/verify-email", body)


def contact_of(who: Person, channel: Channel) -> Contact:
    return one(Contact, Contact.user_id == who.id, Contact.channel == channel)


def prove_long_ago(who: Person) -> None:
    """Let the last proof of every login be older than it may be."""
    change(Login, proven_at=Login.proven_at - timedelta(hours=1))


def kinds() -> list[str]:
    return sorted(row.kind for row in rows(Notification))


@in_turn(
    "body, path",
    [
        ({"email": "camille"}, "email"),
        ({"phone": "12"}, "phone"),
        ({"telegram": "17"}, "telegram"),
        ({"timeZone": "../etc/passwd"}, "timeZone"),
        ({"timeZone": "localtime"}, "timeZone"),  # what a machine is set to
        ({"role": "admin"}, "role"),
    ],
)
def test_what_is_wrong_is_named(camille: Person, body: dict[str, Any], path: str) -> None:
    answer = patch(camille, **body)
    assert answer.status_code == 422
    assert [each["path"] for each in answer.json["errors"]] == [path]


def test_a_new_email_takes_effect_when_it_is_confirmed(
    client: FlaskClient, camille: Person, door: Door
) -> None:
    shown = changed(camille, email=NEW)
    assert (shown["email"], shown["newEmail"], shown["emailVerified"]) == (camille.email, NEW, True)
    assert kinds() == ["verify_new_email"]
    assert NEW in client.get(link(camille, NEW)).text
    assert contact_of(camille, Channel.EMAIL).address == camille.email
    assert move(camille, NEW).status_code == 200
    shown = camille.get("/api/auth/me").json
    assert (shown["email"], shown["newEmail"], shown["emailVerified"]) == (NEW, None, True)
    assert kinds() == ["address_changed", "verify_new_email"]
    assert set(door.nudged) == {row.id for row in rows(Notification)}
    (told,) = (row for row in rows(Notification) if row.kind == "address_changed")
    assert told.params == {"changed": "email", "shown": "n…@example.org", "to": camille.email, "back": True}


def test_a_press_elsewhere_hands_the_address_to_no_account(
    client: FlaskClient, camille: Person, person: People
) -> None:
    """A stranger asks for the address of a person who presses the mail's button, and later wants an own account."""
    changed(camille, email=NEW)
    token = link(camille, NEW).rpartition("/")[2]
    for page in (client.get(f"/l/{token}"), client.post(f"/l/{token}")):
        assert "c…@example.org" in page.text
        assert camille.email not in page.text
    robin = person("robin@example.org")
    for headers, status in (({}, 403), (robin.headers, 403)):
        answer = client.post("/api/auth/verify-email", json={"token": token}, headers=headers)
        assert answer.status_code == status
    assert contact_of(camille, Channel.EMAIL).address == camille.email
    register = {"email": NEW, "password": "the mailbox owners own password"}
    assert client.post("/api/auth/register", json=register).status_code == 202
    assert sorted(user.email for user in rows(User)) == [camille.email, NEW, robin.email]


def test_a_link_counts_once_and_only_the_newest_address(camille: Person) -> None:
    changed(camille, email="first@example.org")
    first = {"token": link(camille, "first@example.org").rpartition("/")[2]}
    changed(camille, email=NEW)
    assert camille.post("/api/auth/verify-email", first).status_code == 404
    assert contact_of(camille, Channel.EMAIL).address == camille.email
    for _ in range(2):
        move(camille, NEW)
    assert kinds().count("address_changed") == 1
    move(camille, camille.email)
    assert contact_of(camille, Channel.EMAIL).address == NEW


def test_an_address_of_another_account_shows_only_to_its_owner(camille: Person, person: People) -> None:
    person("robin@example.org")
    shown = changed(camille, email="Robin@example.org")
    assert shown["newEmail"] == "Robin@example.org"
    answer = move(camille, "Robin@example.org")
    assert answer.status_code == 409
    assert contact_of(camille, Channel.EMAIL).address == camille.email
    assert sorted(user.email for user in rows(User)) == [camille.email, "robin@example.org"]


def test_a_stranger_gets_three_mails_a_day_from_all_accounts_together(person: People) -> None:
    people = [person(f"p{number}@example.org") for number in range(4)]
    answers = [patch(each, email=NEW) for each in people]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 0 < int(answers[3].headers["Retry-After"]) <= 86400
    assert kinds() == ["verify_new_email"] * 3


def test_a_change_of_an_account_holds_up_no_message_to_it(camille: Person) -> None:
    with session() as changing:
        lock_user(changing, camille.id)
        changing.scalars(sa.select(Contact).with_for_update(key_share=True)).all()
        with session() as s:
            s.execute(sa.text("SET LOCAL lock_timeout = '1s'"))
            notifier.create_notifications(
                s, camille.id, "password_changed", {"at": clock().isoformat()}, "key"
            )
    assert kinds() == ["password_changed"]


def test_a_new_password_ends_a_change_that_somebody_asked_for_also_by_the_mailbox(
    client: FlaskClient, person: People
) -> None:
    stranger = person()
    changed(stranger, email=NEW)
    asked = link(stranger, NEW)
    contact = get(Contact, contact_of(stranger, Channel.EMAIL).id)
    token = sign_reset(contact, get(User, stranger.id))
    answer = client.post(
        "/api/auth/reset-password", json={"token": token, "password": "velours-cactus-7-marée"}
    )
    assert answer.status_code == 204, answer.text
    client.post(asked)
    assert contact_of(stranger, Channel.EMAIL).address == stranger.email


def test_a_new_address_needs_a_recent_proof(camille: Person) -> None:
    prove_long_ago(camille)
    for body in ({"email": NEW}, {"phone": "+33612345601"}):
        answer = patch(camille, **body)
        assert problem(answer) == (403, "recent-proof-needed")
    assert kinds() == []
    changed(camille, language="en", phone=None, telegram=None)
