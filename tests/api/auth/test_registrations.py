"""An account belongs to the mailbox: a stranger who registers or moves it first does not keep it."""

import re
from datetime import datetime, time, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask
from flask.testing import FlaskClient

import api.models.all  # noqa: F401 -- every table
from api.accounts.service import give_plan
from api.auth.mailbox_claims import GOES, RULES
from api.jobs import schedule as jobs
from api.models.alert import Alert
from api.models.base import Base, session
from api.models.contact_lookup import TelegramLink
from api.models.login import Login, PendingRegistration
from api.models.notification import Notification
from api.models.user import Channel, Contact, ContactState, OutageCredit, SlotRhythm, User
from configs.ground.addresses import digest
from configs.ground.clock import clock
from configs.ground.signing import VerifyAddress, write_token
from configs.world.plan import PlanName
from notifier.content.message_kind_base import TemplateContext
from tests.api.messages import list_tokens, prepare
from tests.api.world import Door
from tests.clients import People, Person, problem
from tests.desk_proofs import prove_desks
from tests.factories import BOBIGNY, add_alert, change, get, remove, rows, save
from tests.waiting import at_once

EMAIL = "camille@example.org"
STRANGER, OWNER = "a strangers long password", "the owners own long password"


def register(client: FlaskClient, password: str, **fields: object) -> None:
    body: dict[str, object] = {"email": EMAIL, "password": password} | fields
    assert client.post("/api/auth/register", json=body).status_code == 202


def log_in(client: FlaskClient, password: str) -> Any:
    return client.post("/api/auth/login", json={"email": EMAIL, "password": password})


def confirm(client: FlaskClient, token: str) -> Any:
    return client.post("/api/auth/verify-email", json={"token": token})


def test_the_account_takes_the_password_of_the_registration_that_is_confirmed(client: FlaskClient) -> None:
    register(client, STRANGER, plan="URGENCE_24H")
    register(client, OWNER, plan="URGENCE_7J")
    first, second = list_tokens()
    assert confirm(client, second).json == {"email": EMAIL, "resetToken": None}
    assert log_in(client, STRANGER).status_code == 401
    assert log_in(client, OWNER).status_code == 200
    (user,) = rows(User)
    assert user.wished_plan == "URGENCE_7J"
    assert confirm(client, first).status_code == 200
    assert log_in(client, OWNER).status_code == 200
    assert rows(PendingRegistration) == []


def test_what_a_stranger_set_up_does_not_stay_in_force(client: FlaskClient) -> None:
    """What an unconfirmed login cannot write is written here past the API's checks."""
    register(client, STRANGER, phone="06 12 34 56 78", language="ar")
    given = log_in(client, STRANGER).json
    with session() as s:
        user = s.scalars(sa.select(User)).one()
        owned = {"user_id": user.id, "created_at": clock()}
        link = TelegramLink(code_hash=b"x", expires_at=clock(), chat_id="6", chat_name="M", **owned)
        s.add_all([link, Contact(user_id=user.id, channel=Channel.SMS, address="+33611111111")])
        user.totp_secret, user.totp_confirmed_at, user.totp_used_step = "A" * 32, clock(), 7
        user.time_zone, user.outage_credit = "Pacific/Kiritimati", OutageCredit.REFUND
        user.slot_rhythm, user.digest_at = SlotRhythm.DAILY, time(3)
        user.quiet_from, user.quiet_until, user.quiet_slots = time(1), time(2), True
        s.execute(
            sa.update(Contact)
            .where(Contact.channel == Channel.EMAIL)
            .values(
                enabled=False, stopped_groups=["slots"], new_address="thief@example.org",
                summary_since=clock(),
            )
        )  # fmt: skip
    add_alert(user.id)
    register(client, OWNER)
    confirm(client, list_tokens()[1])
    headers = {"Authorization": f"Bearer {given['token']}"}
    assert client.get("/api/auth/me", headers=headers).status_code == 401
    refreshed = client.post("/api/auth/refresh", headers={"Authorization": f"Bearer {given['refreshToken']}"})
    assert refreshed.status_code == 401
    assert {login.ended_because for login in rows(Login)} == {"address_confirmed"}
    assert rows(TelegramLink) == rows(Alert) == rows(PendingRegistration) == []
    (user,), (mailbox,) = rows(User), rows(Contact)
    with session() as s:
        fresh = User(email="new@example.org")
        s.add_all(
            [fresh, contact := Contact(user=fresh, channel=Channel.EMAIL, address=fresh.email, enabled=True)]
        )
        s.flush()
        s.refresh(fresh)
        s.refresh(contact)
        for made, known in ((user, fresh), (mailbox, contact)):
            rules = RULES[made.__tablename__]
            for name in rules.reset.split() + ["enabled", "state"] * (made is mailbox):
                if name != "totp_secret":
                    assert getattr(made, name) == getattr(known, name), name
        s.rollback()
    assert (user.language, mailbox.is_linked) == ("fr", True)
    assert "token" in log_in(client, OWNER).json


READING = frozenset({"get", "head"})


def test_an_unconfirmed_login_changes_nothing(client: FlaskClient, camille: Person, person: People) -> None:
    document = client.get("/api/openapi.json").json or {}
    writing = [
        (path, method, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method not in READING
        and {"bearer": []} in operation.get("security", [])
        and {} not in operation["security"]
    ]
    assert len(writing) > 30
    open_ones, refused = {"verifyEmailAgain", "logout", "logoutAll"}, {}
    for path, method, operation in sorted(writing, key=lambda each: each[2]["operationId"] in open_ones):
        where = re.sub(r"{[^}]*}", str(camille.id), path)
        answer = client.open(where, method=method.upper(), json={}, headers=camille.headers)
        refused[operation["operationId"]] = (answer.json or {}).get("type", "").rpartition(":")[2]
        assert "403" in operation["responses"], (path, method)
    opened = {name for name, word in refused.items() if word != "address-unconfirmed"}
    assert opened == open_ones


def test_a_wish_of_the_registration_becomes_an_alert_at_confirmation(client: FlaskClient, door: Door) -> None:
    prove_desks()
    wish = {"prefectureId": "bobigny_93", "procedures": ["TITRE_SEJOUR"], "name": "Appelez le 0899 000 000"}
    register(client, OWNER, alert=wish, language="en", phone="06 12 34 56 78")
    assert rows(Alert) == []
    confirm(client, list_tokens()[0])
    (alert,) = rows(Alert)
    assert (alert.enabled, alert.name, alert.closed_at) == (False, None, None)
    headers = {"Authorization": f"Bearer {log_in(client, OWNER).json['token']}"}
    (shown,) = (client.get("/api/alerts", headers=headers).json or {})["items"]
    assert (shown["prefectureId"], shown["procedures"]) == ("bobigny_93", ["TITRE_SEJOUR"])
    me = client.get("/api/auth/me", headers=headers).json or {}
    assert (me["language"], me["phone"], me["phoneVerified"]) == ("en", "+33612345678", False)


def test_a_wish_waits_at_once_where_the_address_has_a_plan(client: FlaskClient, door: Door) -> None:
    prove_desks()
    body = {"email": EMAIL, "password": OWNER, "alert": {"deskIds": ["nowhere_00/none"]}}
    answer = client.post("/api/auth/register", json=body)
    assert (answer.status_code, rows(User)) == (422, []), "it can be no alert"
    assert [each["path"].startswith("alert.") for each in (answer.json or {})["errors"]] == [True]
    register(client, OWNER, alert={"deskIds": [BOBIGNY]})
    (user,) = rows(User)
    with session() as s:
        give_plan(s, s.get_one(User, user.id), PlanName.URGENCE_24H, timedelta(days=1), "test")
    confirm(client, list_tokens()[0])
    (alert,) = rows(Alert)
    assert alert.enabled
    assert door.caught_up == [alert.id]


def test_a_stranger_who_uses_up_the_mails_does_not_get_the_account(
    client: FlaskClient, frozen: time_machine.Traveller
) -> None:
    for number in range(3):
        frozen.shift(timedelta(minutes=6))
        register(client, f"{STRANGER} {number}")
    frozen.shift(timedelta(minutes=6))
    register(client, OWNER)  # gets no mail: three a day
    assert len(list_tokens()) == 3
    answer = confirm(client, list_tokens()[0]).json or {}
    assert log_in(client, f"{STRANGER} 0").status_code == 401
    assert log_in(client, OWNER).status_code == 401
    chosen = client.post(
        "/api/auth/reset-password",
        json={"token": answer["resetToken"], "password": "chosen by the owner now"},
    )
    assert chosen.status_code == 204, chosen.text
    assert log_in(client, "chosen by the owner now").status_code == 200


def test_three_registrations_at_once_are_one_account_and_each_mail_fits_one(
    app: Flask, client: FlaskClient
) -> None:
    passwords = [f"{number} of three long passwords" for number in range(3)]
    at_once(lambda password: register(app.test_client(), password), passwords)
    assert len(rows(User)) == 1
    assert len(list_tokens()) == len(rows(PendingRegistration)) == 3
    confirm(client, list_tokens()[0])
    assert sum(log_in(client, password).status_code == 200 for password in passwords) == 1


def test_strange_tokens_confirm_nothing(client: FlaskClient, frozen: time_machine.Traveller) -> None:
    register(client, OWNER)
    (token,) = list_tokens()
    for strange in ("", "x", token[:-1], "é", token + "x", "a.b.c"):
        answer = confirm(client, strange)
        assert (answer.status_code, answer.mimetype) == (400, "application/problem+json"), strange
    frozen.shift(timedelta(days=31))
    late = confirm(client, token)
    assert problem(late) == (410, "link-expired")
    assert rows(Contact)[0].verified_at is None


@pytest.fixture
def camille(person: People, frozen: time_machine.Traveller) -> Person:
    return person(EMAIL, confirmed=False)


def test_a_bounced_address_is_confirmed_again_by_its_owner_and_by_no_stranger(
    client: FlaskClient, camille: Person, frozen: time_machine.Traveller
) -> None:
    change(Contact, state=ContactState.BOUNCED)
    register(client, STRANGER)
    assert list_tokens() == []
    change(Contact, verified_at=clock())
    frozen.shift(timedelta(minutes=6))
    asked = camille.post("/api/auth/verify-email/again")
    assert asked.status_code == 202
    (token,) = list_tokens()
    assert confirm(client, token).status_code == 200
    (contact,) = rows(Contact)
    assert contact.reachable
    assert camille.get("/api/auth/me").status_code == 200


def test_the_owner_asks_for_the_mail_again_three_times_a_day_at_most(
    camille: Person, frozen: time_machine.Traveller
) -> None:
    for _ in range(4):
        assert camille.post("/api/auth/verify-email/again").status_code == 202
        frozen.shift(timedelta(seconds=301))
    assert len(list_tokens()) == 3


def test_the_mail_that_is_asked_for_again_confirms_the_same_registration(client: FlaskClient) -> None:
    register(client, OWNER)
    headers = {"Authorization": f"Bearer {log_in(client, OWNER).json['token']}"}
    remove(Notification)
    client.post("/api/auth/verify-email/again", headers=headers)
    (token,) = list_tokens()
    confirm(client, token)
    assert client.get("/api/auth/me", headers=headers).status_code == 200
    assert log_in(client, OWNER).status_code == 200


def test_another_spelling_is_the_same_account_but_a_tag_or_a_dot_makes_another(client: FlaskClient) -> None:
    for spelling in ("CAMILLE@example.org", "\uff43amille@example.org"):
        register(client, f"{STRANGER} {spelling}", email=spelling)
    register(client, OWNER)
    confirm(client, list_tokens()[2])
    assert [each.email_folded for each in rows(User)] == [EMAIL]
    assert log_in(client, OWNER).status_code == 200
    others = {"camille+rdv@example.org", "cam.ille@example.org"}
    for other in others:
        register(client, STRANGER, email=other)
    assert {each.email_folded for each in rows(User)} == {*others, EMAIL}


@pytest.mark.parametrize(
    ("request_line", "fields"),
    [
        ("POST /api/auth/register", {"password": STRANGER}),
        ("PATCH /api/users/profile", {}),
        ("POST /api/support", {"message": "Bonjour"}),
    ],
)
def test_an_address_that_no_provider_takes_is_refused_by_its_letter(
    client: FlaskClient, camille: Person, request_line: str, fields: dict[str, str]
) -> None:
    change(Contact, verified_at=clock())
    method, path = request_line.split()
    body = {"email": "camélle@example.org", **fields}
    answer = client.open(path, method=method, json=body, headers=camille.headers)
    (error,) = answer.get_json()["errors"]
    assert (answer.status_code, error["path"], error["rule"]) == (422, "email", "email_letter")
    assert "é" in error["detail"]


STAYS = (
    "logins",  # they end, except where the account keeps the password that they were opened with
    "grants",  # an operator gave them to the address
    # The law wants them kept; an account that was never confirmed can order nothing.
    "payments",
    "referrals",
    "subscriptions",
    "declarations",
    # an account that was never confirmed can name no candidate, and report nothing
    "candidates",
    "page_openings",
    "reporters",
    "reports",
    "vouches",
    # nor be a member of an organisation; of a person helped there nobody confirms the address of users
    "organisation_members",
    "beneficiaries",
    "support_requests",
    "notifications",  # they went to the mailbox itself, and count how many it got
)
STAYING_COLUMNS = {
    "users": "id email email_folded role token_version stripe_customer_id last_used_at created_at updated_at"
    " suspended_at suspended_because",
    "contacts": "id user_id channel address lookup_hashes number device_name created_at",
}


def test_every_table_of_a_user_has_a_rule_for_the_first_confirmation() -> None:
    tables = {
        name: sorted(column.name for column in table.columns)
        for name, table in Base.metadata.tables.items()
        if name == "users"
        or "user_id" in table.columns
        or any(key.column.table.name == "users" for key in table.foreign_keys)
    }
    assert sorted((*RULES, *GOES, *STAYS)) == sorted(tables)
    for name, rules in RULES.items():
        assert sorted(f"{STAYING_COLUMNS[name]} {rules.given} {rules.reset}".split()) == tables[name], name


FIRST, SECOND, THIRD = "camille@example.org", "thief@example.org", "thief2@example.org"
PASSWORD = "the mailbox owners own password"
DAY = timedelta(days=1)


@pytest.fixture
def moved(person: People) -> Person:
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


def test_the_mailbox_takes_its_account_back(client: FlaskClient, moved: Person) -> None:
    move(moved, SECOND)
    (link,) = links(FIRST)
    for _ in range(2):
        page = client.get(link)
        assert (page.status_code, FIRST in page.text, "t…@example.org" in page.text) == (200, True, True)
    assert read_account(moved.id).email == SECOND
    page = client.post(link)
    user, (mailbox,) = read_account(moved.id), rows(Contact)
    assert (user.email, mailbox.address, mailbox.former_address) == (FIRST, FIRST, None)
    assert (user.password_hash, user.has_second_factor) == (None, True)
    assert moved.get("/api/auth/me").status_code == 401
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
    client: FlaskClient, moved: Person
) -> None:
    def prove(address: str, channel: Channel, at: datetime) -> None:
        save(Contact(user_id=moved.id, channel=channel, address=address, verified_at=at))

    prove("+33612345678", Channel.SMS, clock() - DAY)
    move(moved, SECOND)
    with time_machine.travel(clock() + DAY, tick=False):
        prove("100000018", Channel.TELEGRAM, clock())
        assert client.post(links(FIRST)[0]).status_code == 200
    assert {each.channel for each in rows(Contact)} == {Channel.EMAIL, Channel.SMS}
    lost = [row for row in rows(Notification) if row.kind == "channel_lost"]
    assert {row.params["channel"] for row in lost} == {"telegram"}
    assert {row.channel for row in lost} == {Channel.EMAIL}


def test_moves_and_passwords_that_follow_void_nothing(client: FlaskClient, moved: Person) -> None:
    move(moved, SECOND)
    (link,) = links(FIRST)
    move(moved, THIRD)
    assert links(SECOND) == [], "only the mailbox that the account had first"
    body = {"password": "another password of the thief"}
    given = moved.post("/api/auth/change-password", body)
    assert given.status_code == 200
    client.post(link)
    assert read_account(moved.id).email == FIRST


def test_it_is_too_late_after_a_week_when_a_job_forgets_the_mailbox(
    client: FlaskClient, moved: Person
) -> None:
    with time_machine.travel(clock(), tick=False) as traveller:
        move(moved, SECOND)
        (link,) = links(FIRST)
        traveller.shift(timedelta(days=6.9))
        assert FIRST in client.get(link).text
        assert "contacts.former_address" not in jobs.apply_retention()
        traveller.shift(timedelta(days=0.2))
        client.post(link)
        assert read_account(moved.id).email == SECOND
        assert jobs.apply_retention()["contacts.former_address"] == 1
    (mailbox,) = rows(Contact)
    assert (mailbox.former_address, mailbox.moved_at) == (None, None)


@pytest.mark.parametrize("confirmed", [False, True])
def test_an_account_that_was_opened_meanwhile_gives_way_unless_it_is_confirmed(
    client: FlaskClient, moved: Person, person: People, confirmed: bool
) -> None:
    move(moved, SECOND)
    (link,) = links(FIRST)
    other = person(FIRST, confirmed=confirmed)
    assert client.post(link).status_code == (409 if confirmed else 200)
    assert read_account(moved.id).email == (SECOND if confirmed else FIRST)
    assert (other.id in {user.id for user in rows(User)}) is confirmed


def test_who_moves_back_alone_leaves_nothing_to_take(moved: Person) -> None:
    move(moved, SECOND)
    move(moved, FIRST)
    (mailbox,) = rows(Contact)
    assert (mailbox.address, mailbox.former_address) == (FIRST, None)
