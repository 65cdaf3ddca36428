from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.models.notification import Notification
from api.models.support import SupportRequest
from api.models.user import Contact, Role, User
from configs.ground.clock import clock
from tests.api.world import Door
from tests.clients import People, Person
from tests.factories import change, rows

STRANGER: dict[str, Any] = {"email": "robin@example.org", "message": "Ça ne marche pas."}
MAILBOX = "assistance@example.org"


@pytest.fixture(autouse=True)
def _mailbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPPORT_EMAIL", MAILBOX)


def ask(client: FlaskClient, address: str = "192.0.2.1", **options: Any) -> tuple[int, dict[str, Any]]:
    answer = client.post("/api/support", environ_base={"REMOTE_ADDR": address}, **options)
    found: dict[str, Any] = answer.json or {}
    return answer.status_code, found


def mails() -> set[tuple[str, str | None]]:
    return {(row.kind, row.address) for row in rows(Notification)}


def test_a_stranger_gets_a_number_and_a_mail_and_so_does_support(client: FlaskClient, door: Door) -> None:
    status, said = ask(client, json=STRANGER | {"message": "Ça ne\r\n\tmarche\u001b[2J\u0085 pas."})
    (kept,) = rows(SupportRequest)
    assert (status, said) == (201, {"number": kept.id, "email": "robin@example.org"})
    # No control character reaches an operator's terminal.
    assert (kept.user_id, kept.email, kept.message) == (None, "robin@example.org", "Ça ne\n\tmarche[2J pas.")
    assert mails() == {("operations", MAILBOX), ("support_received", "robin@example.org")}
    assert sorted(door.nudged) == sorted(row.id for row in rows(Notification))


def test_a_user_is_told_by_their_own_mail_whatever_address_they_name(
    client: FlaskClient, camille: Person
) -> None:
    change(Contact, verified_at=clock())
    for body in ({"message": "Bonjour"}, STRANGER):
        status, said = ask(client, json=body, headers=camille.headers)
        assert (status, said["email"]) == (201, "camille@example.org")
    assert {each.user_id for each in rows(SupportRequest)} == {camille.id}
    assert {(row.kind, row.user_id) for row in rows(Notification)} == {
        ("operations", None),
        ("support_received", camille.id),
    }


def test_what_an_unconfirmed_login_asks_is_nobodys_and_gets_no_acknowledgement(
    client: FlaskClient, person: People
) -> None:
    registered = person(confirmed=False)
    assert ask(client, json={"message": "Bonjour"}, headers=registered.headers)[0] == 201
    assert mails() == {("operations", MAILBOX)}
    assert [each.user_id for each in rows(SupportRequest)] == [None]


def test_without_a_mailbox_the_operators_are_told(
    client: FlaskClient, person: People, settings_env: Callable[..., None]
) -> None:
    settings_env(SUPPORT_EMAIL="")
    operator = person("operateur@example.org")
    change(User, User.id == operator.id, role=Role.SUPPORT)
    change(Contact, verified_at=clock())
    ask(client, json=STRANGER)
    assert {(row.kind, row.user_id) for row in rows(Notification)} == {
        ("operations", operator.id),
        ("support_received", None),
    }


def test_a_wrong_request_is_named_and_does_not_count(client: FlaskClient) -> None:
    for fault, path in (
        ({"email": None}, "email"),
        ({"email": "x" * 1_000 + "@example.org"}, "email"),
        ({"message": " \n\t "}, "message"),
        ({"message": "x" * 5001}, "message"),
        ({"subject": "x"}, "subject"),
    ) * 2:
        status, said = ask(client, json=STRANGER | fault)
        assert (status, [each["path"] for each in said["errors"]]) == (422, [path])
    assert ask(client, json=STRANGER, headers={"Authorization": "Bearer x.y.z"})[0] == 401, "not nobody's"
    assert rows(SupportRequest) == []
    assert ask(client, json=STRANGER)[0] == 201


def test_five_a_day_from_one_network_address(app: Flask) -> None:
    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda _: ask(app.test_client(), json=STRANGER), range(10)))
    assert sorted(status for status, _ in answers) == [201] * 5 + [429] * 5
    answer = app.test_client().post("/api/support", json=STRANGER, environ_base={"REMOTE_ADDR": "192.0.2.1"})
    assert 0 < int(answer.headers["Retry-After"]) <= 86400
    assert (answer.json or {})["type"].endswith(":too-many-requests")
    assert ask(app.test_client(), "192.0.2.2", json=STRANGER)[0] == 201
    assert len({said["number"] for status, said in answers if status == 201}) == 5


def test_an_address_that_many_name_at_once_gets_three_acknowledgements(app: Flask) -> None:
    spellings = [
        "robin@bücher.example.org",
        "Robin@xn--bcher-kva.example.org",
        "\uff52obin@BÜCHER.example.org\u200b",
    ]

    def name_it(number: int) -> int:
        body = STRANGER | {"email": spellings[number % 3]}
        return ask(app.test_client(), f"192.0.2.{number}", json=body)[0]

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(name_it, range(15))) == {201}
    kinds = sorted(row.kind for row in rows(Notification))
    assert kinds == ["operations"] * 15 + ["support_received"] * 3


def test_twenty_a_day_from_a_48_of_ipv6(client: FlaskClient) -> None:
    answers = [ask(client, f"2001:db8:1:{number}::1", json=STRANGER)[0] for number in range(21)]
    assert answers == [201] * 20 + [429]
    assert ask(client, "2001:db8:2:1::1", json=STRANGER)[0] == 201
