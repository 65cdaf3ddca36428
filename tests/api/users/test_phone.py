"""Codes by SMS: they prove a number once, in time, for one account, and cannot be asked for without end."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from api.background import jobs
from api.errors import ApiError
from api.models.base import session
from api.models.contact_linking import PhoneCode, TelegramLink
from api.models.contact_lookup import find_contact
from api.models.notification import Notification, Priority
from api.models.user import Channel, Contact
from api.users.contact_linking import send_code
from configs.ground.clock import clock
from configs.ground.encryption import decrypt
from configs.world.plan import PlanName
from tests.api.world import Door
from tests.clients import People, Person, problem
from tests.factories import remove, rows, save
from tests.in_turn import in_turn

PLAN = PlanName.URGENCE_24H  # of Camille's
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

    def confirm(pair: tuple[Person, str]) -> int:
        status: int = verify(*pair).status_code
        return status

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(confirm, zip(people, codes, strict=True))) == [200, 200, 200]
    assert sum(each.channel is Channel.SMS for each in rows(Contact)) == 1


def test_tries_at_once_are_all_counted(app: Flask, camille: Person) -> None:
    code = asked(app.test_client(), camille)

    def guess(number: int) -> int:
        status: int = verify(camille, f"{(int(code) + 1 + number) % 1_000_000:06}").status_code
        return status

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(guess, range(8)))
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
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: ask(app.test_client(), camille).status_code, range(6)))
    assert sorted(answers) == [200] * 3 + [429] * 3


def test_without_a_plan_there_is_no_code(client: FlaskClient, person: People) -> None:
    answer = ask(client, person())
    assert problem(answer) == (402, "plan-needed")
    assert answer.json["plans"]
    assert rows(PhoneCode) == []
    assert [contact.channel for contact in rows(Contact)] == [Channel.EMAIL]


@in_turn(
    "phone, status",
    [
        ("06 12 34 56 01", 200),
        ("+262692123456", 200),  # La Réunion
        ("0692 12 34 56", 200),
        ("+687751234", 200),  # Nouvelle-Calédonie
        ("+33123456789", 422),  # no mobile number
        ("+33899123456", 422),  # premium rate
        ("+32470123456", 422),  # Belgium
    ],
)
def test_codes_go_to_mobile_numbers_of_france(
    client: FlaskClient, camille: Person, phone: str, status: int
) -> None:
    remove(PhoneCode)  # which count for the limits
    answer = ask(client, camille, phone)
    assert answer.status_code == status, answer.text
    if status == 422:
        assert [each["path"] for each in answer.json["errors"]] == ["phone"]
        assert rows(PhoneCode) == []
