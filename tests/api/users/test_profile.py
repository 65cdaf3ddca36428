"""PATCH /api/users/profile and /notifications, what their owner confirms, and the codes by SMS that prove a number."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import time_machine
from flask import Flask
from flask.testing import FlaskClient

import notifier
from api.accounts.queries import lock_user
from api.auth.mailbox_claims import sign_reset
from api.ground.errors import ApiError
from api.jobs import schedule as jobs
from api.models.base import session
from api.models.contact_lookup import PhoneCode, TelegramLink, find_contact
from api.models.login import Login
from api.models.notification import Notification, Priority
from api.models.user import Channel, Contact, User
from api.users.phone_codes import send_code
from configs.ground.addresses import digest
from configs.ground.clock import clock
from configs.ground.encryption import decrypt
from configs.ground.signing import VerifyAddress, write_token
from configs.world.plan import PlanName
from tests.api.world import Door
from tests.clients import People, Person, problem, read_json
from tests.factories import change, get, one, rows, save
from tests.in_turn import in_turn
from tests.waiting import at_once

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
    change(Login, proven_at=Login.proven_at - timedelta(hours=1))
    for body in ({"email": NEW}, {"phone": "+33612345601"}):
        answer = patch(camille, **body)
        assert problem(answer) == (403, "recent-proof-needed")
    assert kinds() == []
    changed(camille, language="en", phone=None, telegram=None)


PHONE = "+33612345601"
OTHER = "+33612345602"


def ask(client: FlaskClient, who: Person, phone: str = PHONE, network: str = "192.0.2.1") -> Any:
    return client.patch(
        "/api/users/profile",
        json={"phone": phone},
        headers=who.headers,
        environ_base={"REMOTE_ADDR": network},
    )


def asked(client: FlaskClient, who: Person, phone: str = PHONE, network: str = "192.0.2.1") -> str:
    """Ask for a code and return it."""
    answer = ask(client, who, phone, network)
    assert answer.status_code == 200, answer.text
    return newest_code(who.id)


def newest_code(user_id: UUID) -> str:
    mine = rows(Notification, Notification.user_id == user_id, Notification.kind == "phone_code")
    return decrypt(mine[-1].params["code"])


def verify(who: Person, code: str) -> Any:
    return who.post("/api/users/phone/verify", {"code": code})


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


def test_a_number_is_confirmed_by_its_code(client: FlaskClient, camille: Person, door: Door) -> None:
    code = asked(client, camille, "06 12 34 56 01")
    (sms,) = rows(Notification)
    assert (sms.channel, sms.priority) == (Channel.SMS, Priority.CRITICAL)
    assert door.nudged == [sms.id]
    shown = camille.get("/api/auth/me").json
    assert (shown["phone"], shown["phoneVerified"], shown["notifySms"]) == (PHONE, False, False)
    shown = verify(camille, code).json
    assert (shown["phone"], shown["phoneVerified"], shown["notifySms"]) == (PHONE, True, True)
    with session() as s:
        found = find_contact(s, Channel.SMS, PHONE)
        assert found
        assert (found.user_id, (found.consent or {})["alerts"]["place"]) == (camille.id, "phone_code")
    assert problem(verify(camille, code)) == (409, "no-code")


def test_a_code_is_taken_as_it_is_pasted(client: FlaskClient, person: People) -> None:
    for number, written in enumerate(("{0}\u202f{1}", " {0}{1}\n", "{0}-{1}", "\u2066{0}{1}\u2069")):
        who = person(f"p{number}@example.org", plan=PLAN)
        code = asked(client, who, f"+3361234560{number}", f"192.0.2.{number}")
        assert verify(who, written.format(code[:3], code[3:])).status_code == 200, written


def test_neither_code_nor_number_is_in_the_tables(client: FlaskClient, camille: Person) -> None:
    code = asked(client, camille)
    verify(camille, wrong(code))
    with session() as s:
        texts = [
            str(row)
            for table in ("contacts", "phone_codes", "notifications")
            for row in s.execute(sa.text(f"SELECT * FROM {table}"))  # noqa: S608 -- our own names
        ]
    assert len(texts) == 4
    assert not [text for text in texts if code in text or PHONE[-8:] in text]


def test_the_number_in_use_stays_until_the_new_one_is_confirmed(client: FlaskClient, camille: Person) -> None:
    verify(camille, asked(client, camille))
    code = asked(client, camille, OTHER)
    shown = camille.get("/api/auth/me").json
    assert (shown["phone"], shown["newPhone"], shown["phoneVerified"]) == (PHONE, OTHER, True)
    shown = verify(camille, code).json
    assert (shown["phone"], shown["newPhone"]) == (OTHER, None)
    with session() as s:
        assert find_contact(s, Channel.SMS, PHONE) is None


def test_five_wrong_codes_end_it(client: FlaskClient, camille: Person) -> None:
    code = asked(client, camille)
    for left in (4, 3, 2, 1, 0):
        answer = verify(camille, wrong(code))
        assert problem(answer) == (422, "wrong-code")
        assert (f"{left} more tries" in answer.json["detail"]) is bool(left)
    assert problem(verify(camille, code)) == (409, "no-code")
    assert verify(camille, asked(client, camille)).status_code == 200


def test_a_code_is_good_for_ten_minutes(
    client: FlaskClient, frozen: time_machine.Traveller, camille: Person
) -> None:
    code = asked(client, camille)
    frozen.shift(timedelta(seconds=599))
    assert problem(verify(camille, wrong(code))) == (422, "wrong-code")
    frozen.shift(timedelta(seconds=1))
    assert problem(verify(camille, code)) == (409, "no-code")


def test_a_code_is_for_one_number_and_one_account(
    client: FlaskClient, camille: Person, person: People
) -> None:
    robin = person("robin@example.org", plan=PlanName.URGENCE_24H)
    code = asked(client, camille)
    assert problem(verify(robin, code)) == (409, "no-code")
    asked(client, robin, OTHER, "192.0.2.2")
    if code != newest_code(robin.id):
        assert problem(verify(robin, code)) == (422, "wrong-code")
    asked(client, camille, "+33612345603")
    if code != newest_code(camille.id):
        assert problem(verify(camille, code)) == (422, "wrong-code")


def test_a_number_belongs_to_its_newest_proof_and_the_account_before_is_told(
    client: FlaskClient, camille: Person, person: People
) -> None:
    verify(camille, asked(client, camille))
    robin = person("robin@example.org", plan=PlanName.URGENCE_24H, confirmed=True)
    shown = verify(robin, asked(client, robin, network="192.0.2.2")).json
    assert (shown["phone"], shown["phoneVerified"]) == (PHONE, True)
    shown = camille.get("/api/auth/me").json
    assert (shown["phone"], shown["notifySms"]) == (None, False)
    (told,) = [each for each in rows(Notification) if each.kind == "channel_lost"]
    assert (told.user_id, told.channel) == (camille.id, Channel.EMAIL)
    assert told.params == {"channel": "sms", "state": "moved"}


def test_of_three_who_confirm_one_number_at_once_the_last_one_has_it(app: Flask, person: People) -> None:
    people = [person(f"p{number}@example.org", plan=PlanName.URGENCE_24H) for number in range(3)]
    codes = [
        asked(app.test_client(), each, network=f"192.0.2.{number}") for number, each in enumerate(people)
    ]

    confirmed = at_once(lambda pair: verify(*pair).status_code, zip(people, codes, strict=True))
    assert confirmed == [200, 200, 200]
    assert sum(each.channel is Channel.SMS for each in rows(Contact)) == 1


def test_tries_at_once_are_all_counted(app: Flask, camille: Person) -> None:
    code = asked(app.test_client(), camille)
    guesses = [f"{(int(code) + 1 + number) % 1_000_000:06}" for number in range(8)]
    answers = at_once(lambda each: verify(camille, each).status_code, guesses)
    assert sorted(answers) == [409] * 3 + [422] * 5


def test_three_codes_a_day_for_each_account_number_and_network(
    client: FlaskClient, frozen: time_machine.Traveller, person: People
) -> None:
    plan = PlanName.URGENCE_24H

    def ask_all(calls: Iterable[tuple[Person, str, str]]) -> list[int]:
        return [ask(client, *call).status_code for call in calls]

    def someone(number: int) -> Person:
        return person(f"p{number}@example.org", plan=plan)

    first = someone(0)
    numbers = [f"+336123457{number:02}" for number in range(30)]
    networks = [f"198.51.100.{number}" for number in range(30)]
    by_account = [(first, numbers[each], networks[each]) for each in range(4)]
    assert ask_all(by_account) == [200, 200, 200, 429]
    by_number = [(someone(each), numbers[9], networks[each]) for each in range(5, 9)]
    assert ask_all(by_number) == [200, 200, 200, 429]
    by_network = [(someone(each), numbers[each], networks[20]) for each in range(10, 14)]
    assert ask_all(by_network) == [200, 200, 200, 429]
    answer = ask(client, first, numbers[21], networks[21])
    assert answer.json["type"].endswith(":too-many-codes")
    assert answer.headers["Retry-After"] == "86400"


def send_again(who: Person) -> ApiError | None:
    """Send another code past the route, whose token is too old by then; return the refusal."""
    try:
        with session() as s:
            query = sa.select(Contact).where(Contact.user_id == who.id, Contact.channel == Channel.SMS)
            send_code(s, s.scalars(query).one(), "192.0.2.1")
    except ApiError as error:
        return error
    return None


def test_the_next_day_there_are_codes_again(
    client: FlaskClient, frozen: time_machine.Traveller, camille: Person
) -> None:
    for _ in range(3):
        asked(client, camille)
    frozen.shift(timedelta(hours=23))
    refusal = send_again(camille)
    assert refusal
    assert (refusal.status, refusal.headers) == (429, {"Retry-After": "3600"})
    frozen.shift(timedelta(hours=1))
    assert send_again(camille) is None
    assert len(rows(PhoneCode)) == 1


def test_codes_and_links_are_dropped_when_they_are_of_no_use(
    client: FlaskClient, frozen: time_machine.Traveller, camille: Person
) -> None:
    asked(client, camille)
    save(TelegramLink(
        user_id=camille.id, code_hash=b"x", chat_id="17", chat_name="Camille", created_at=clock(),
        expires_at=clock() + timedelta(days=1),
    ))  # fmt: skip
    assert not {"phone_codes", "telegram_links"} & jobs.apply_retention().keys()
    frozen.shift(timedelta(days=1))
    counts = jobs.apply_retention()
    assert (counts["phone_codes"], counts["telegram_links"]) == (1, 1)


def test_there_is_a_ceiling_for_all(
    client: FlaskClient, person: People, settings_env: Callable[..., None]
) -> None:
    settings_env(SMS_CODES_A_DAY="2")
    people = [person(f"p{number}@example.org", plan=PlanName.URGENCE_24H) for number in range(3)]
    answers = [
        ask(client, each, f"+3361234560{number}", f"192.0.2.{number}") for number, each in enumerate(people)
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert "in all" in answers[2].json["detail"]
    assert len(rows(PhoneCode)) == 2


def test_a_deleted_account_leaves_its_codes_to_the_limits_for_a_day(
    client: FlaskClient, frozen: time_machine.Traveller, person: People
) -> None:
    first = person("first@example.org", plan=PlanName.URGENCE_24H, confirmed=True)
    for _ in range(3):
        assert ask(client, first, PHONE, "192.0.2.1").status_code == 200
    gone = first.delete("/api/users/me", {"understood": True})
    assert (gone.status_code, {row.user_id for row in rows(PhoneCode)}) == (204, {None})
    second = person("second@example.org", plan=PlanName.URGENCE_24H)
    to_number, from_network = ask(client, second, PHONE, "192.0.2.2"), ask(client, second, OTHER, "192.0.2.1")
    assert [problem(each) for each in (to_number, from_network)] == [(429, "too-many-codes")] * 2
    assert "to this number" in to_number.json["detail"]
    assert "from this network" in from_network.json["detail"]
    frozen.shift(timedelta(days=1))
    jobs.apply_retention()
    assert rows(PhoneCode) == []


def test_codes_asked_for_at_once_do_not_pass_the_limit(app: Flask, camille: Person) -> None:
    answers = at_once(lambda _: ask(app.test_client(), camille).status_code, range(6))
    assert sorted(answers) == [200] * 3 + [429] * 3


def test_without_a_plan_there_is_no_code(client: FlaskClient, person: People) -> None:
    answer = ask(client, person())
    assert problem(answer) == (402, "plan-needed")
    assert answer.json["plans"]
    assert rows(PhoneCode) == []
    assert [contact.channel for contact in rows(Contact)] == [Channel.EMAIL]


def test_no_code_goes_to_a_number_that_is_no_mobile_one(client: FlaskClient, camille: Person) -> None:
    answer = ask(client, camille, "+33123456789")
    assert answer.status_code == 422, answer.text
    assert [each["path"] for each in answer.json["errors"]] == ["phone"]
    assert rows(PhoneCode) == []
