"""The mailbox that an account left takes it back within a week: what that ends, and what it keeps."""

import re
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import pytest
import time_machine
from flask.testing import FlaskClient

from api.background import jobs
from api.models.login import Login
from api.models.notification import Notification
from api.models.user import Channel, Contact, User
from configs.ground.clock import clock
from configs.ground.contact_addresses import digest
from configs.ground.signed_links import VerifyAddress, write_token
from notifier.content.message_kind_base import TemplateContext
from tests.api.messages import prepare
from tests.clients import People, Person
from tests.factories import change, get, rows, save

FIRST, SECOND, THIRD = "camille@example.org", "thief@example.org", "thief2@example.org"
PASSWORD = "the mailbox owners own password"
DAY = timedelta(days=1)


@pytest.fixture
def camille(person: People) -> Person:
    made = person(FIRST)
    change(User, User.id == made.id, totp_secret="A" * 32, totp_confirmed_at=clock() - DAY)
    return made


def move(who: Person, address: str) -> None:
    """Move the account from its login, as who took it over does."""
    answer = who.patch("/api/users/profile", {"email": address})
    assert answer.status_code == 200, answer.text
    version = get(User, who.id).token_version
    contact = rows(Contact, Contact.channel == Channel.EMAIL)[0]
    assert contact
    body = {"token": write_token(VerifyAddress(contact.id, digest(address), new=version))}
    assert who.post("/api/auth/verify-email", body).status_code == 200


def links(mailbox: str) -> list[str]:
    """Return the links that mails about moves to a mailbox carry."""
    made = [prepare(row) for row in rows(Notification, Notification.kind == "address_changed")]
    return [
        urlsplit(each.values["back_url"]).path
        for each in made
        if isinstance(each, TemplateContext) and each.address == mailbox and each.values["back_url"]
    ]


def read_account(user_id: object) -> User:
    found: User = next(user for user in rows(User) if user.id == user_id)
    return found


def test_the_mailbox_takes_its_account_back(client: FlaskClient, camille: Person) -> None:
    move(camille, SECOND)
    (link,) = links(FIRST)
    for _ in range(2):
        page = client.get(link)
        assert (page.status_code, FIRST in page.text, "t…@example.org" in page.text) == (200, True, True)
    assert read_account(camille.id).email == SECOND
    page = client.post(link)
    user, (mailbox,) = read_account(camille.id), rows(Contact)
    assert (user.email, mailbox.address, mailbox.former_address) == (FIRST, FIRST, None)
    assert (user.password_hash, user.has_second_factor) == (None, True)
    assert camille.get("/api/auth/me").status_code == 401
    assert {login.ended_because for login in rows(Login)} <= {"address_confirmed"}
    assert [row.params["to"] for row in rows(Notification) if row.kind == "address_changed"][1:] == [SECOND]
    found = re.search(r'action="(/l/reset\.[^"]+)"', page.text)
    assert found
    assert client.post(found[1], data={"password": PASSWORD}).status_code == 200
    answer = client.post("/api/auth/login", json={"email": FIRST, "password": PASSWORD}).json or {}
    assert answer["totpRequired"] is True
    assert "trop tard" in client.post(link).text
    assert links(SECOND) == []


def test_what_was_linked_after_the_move_goes_and_what_was_before_stays(
    client: FlaskClient, camille: Person
) -> None:
    def prove(address: str, channel: Channel, at: datetime) -> None:
        save(Contact(user_id=camille.id, channel=channel, address=address, verified_at=at))

    prove("+33612345678", Channel.SMS, clock() - DAY)
    move(camille, SECOND)
    with time_machine.travel(clock() + DAY, tick=False):
        prove("100000018", Channel.TELEGRAM, clock())
        assert client.post(links(FIRST)[0]).status_code == 200
    assert {each.channel for each in rows(Contact)} == {Channel.EMAIL, Channel.SMS}
    lost = [row for row in rows(Notification) if row.kind == "channel_lost"]
    assert {row.params["channel"] for row in lost} == {"telegram"}
    assert {row.channel for row in lost} == {Channel.EMAIL}


def test_moves_and_passwords_that_follow_void_nothing(client: FlaskClient, camille: Person) -> None:
    move(camille, SECOND)
    (link,) = links(FIRST)
    move(camille, THIRD)
    assert links(SECOND) == [], "only the mailbox that the account had first"
    body = {"password": "another password of the thief"}
    given = camille.post("/api/auth/change-password", body)
    assert given.status_code == 200
    client.post(link)
    assert read_account(camille.id).email == FIRST


def test_it_is_too_late_after_a_week_when_a_job_forgets_the_mailbox(
    client: FlaskClient, camille: Person
) -> None:
    with time_machine.travel(clock(), tick=False) as traveller:
        move(camille, SECOND)
        (link,) = links(FIRST)
        traveller.shift(timedelta(days=6.9))
        assert FIRST in client.get(link).text
        assert "contacts.former_address" not in jobs.apply_retention()
        traveller.shift(timedelta(days=0.2))
        client.post(link)
        assert read_account(camille.id).email == SECOND
        assert jobs.apply_retention()["contacts.former_address"] == 1
    (mailbox,) = rows(Contact)
    assert (mailbox.former_address, mailbox.moved_at) == (None, None)


@pytest.mark.parametrize("confirmed", [False, True])
def test_an_account_that_was_opened_meanwhile_gives_way_unless_it_is_confirmed(
    client: FlaskClient, camille: Person, person: People, confirmed: bool
) -> None:
    move(camille, SECOND)
    (link,) = links(FIRST)
    other = person(FIRST, confirmed=confirmed)
    assert client.post(link).status_code == (409 if confirmed else 200)
    assert read_account(camille.id).email == (SECOND if confirmed else FIRST)
    assert (other.id in {user.id for user in rows(User)}) is confirmed


def test_who_moves_back_alone_leaves_nothing_to_take(camille: Person) -> None:
    move(camille, SECOND)
    move(camille, FIRST)
    (mailbox,) = rows(Contact)
    assert (mailbox.address, mailbox.former_address) == (FIRST, None)
