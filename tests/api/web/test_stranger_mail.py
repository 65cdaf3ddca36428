"""Mails that anybody can have us send are bounded: by mailbox, domain, network, and in all."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from api.jobs import schedule as jobs
from api.models.declaration import Declaration
from api.models.incident import Incident, IncidentReason
from api.models.notification import Notification
from api.models.support import SupportRequest
from api.web import rate_limits, stranger_mail
from api.web.doors import Door
from tests.api.messages import BOTH, add_operator
from tests.clients import People
from tests.factories import rows

PASSWORD = "vingt-deux tramways bleus"
FAR = "203.0.113.9"  # a network address from which nothing came before


def register(client: FlaskClient, email: str, address: str = "192.0.2.1") -> int:
    body = {"email": email, "password": PASSWORD}
    answer = client.post("/api/auth/register", json=body, environ_base={"REMOTE_ADDR": address})
    return answer.status_code


def count_mails(kind: str = "verify_email") -> int:
    return sum(each.kind == kind for each in rows(Notification))


@pytest.mark.parametrize(
    "spell",
    [
        pytest.param(lambda number: f"marie+{number}@outlook.fr", id="tags"),
        pytest.param(
            lambda number: f"marie{'.' * (number % 2)}b{'.' * (number // 2 % 2)}c@gmail.com", id="dots"
        ),
        pytest.param(
            lambda number: f"m.arie+{number}@{('gmail', 'googlemail')[number % 2]}.com", id="two names"
        ),
        pytest.param(
            lambda number: f"marie@{('pm.me', 'proton.me', 'protonmail.com', 'protonmail.ch')[number % 4]}",
            id="four names",
        ),
    ],
)
def test_a_mailbox_gets_six_a_day_however_it_is_written(
    client: FlaskClient, spell: Callable[[int], str]
) -> None:
    answers = [register(client, spell(number), f"198.51.100.{number}") for number in range(8)]
    assert answers == [202] * 6 + [429] * 2
    assert count_mails() <= 6
    assert register(client, "someone.else@gmail.com") == 202


def test_dots_and_addresses_of_others_are_their_own(client: FlaskClient) -> None:
    for number in range(6):
        register(client, f"marie+{number}@orange.fr")
    assert register(client, "mar.ie@orange.fr") == 202
    assert register(client, "marie@orange.fr") == 429


@pytest.mark.parametrize(
    ("limit", "first", "refused", "passing"),
    [
        (
            "TO_DOMAIN",
            ("a@firm.example", "b@firm.example"),
            ("c@firm.example", FAR),
            ("c@other.example", FAR),
        ),
        ("TO_DOMAIN", ("a@gmail.com", "b@gmail.com"), None, ("c@gmail.com", FAR)),
        (
            "FROM_NETWORK",
            ("a@x.example", "b@y.example"),
            ("c@z.example", "2001:db8:7:9::1"),
            ("c@z.example", FAR),
        ),
    ],
)
def test_domains_and_networks_have_ceilings(  # noqa: PLR0917 -- a table's columns
    client: FlaskClient,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    first: tuple[str, ...],
    refused: tuple[str, str] | None,
    passing: tuple[str, str],
) -> None:
    monkeypatch.setattr(stranger_mail, limit, "2 per day")
    assert [register(client, each, "2001:db8:7:8::1") for each in first] == [202, 202]
    assert refused is None or register(client, *refused) == 429
    assert register(client, *passing) == 202


def count_alarms() -> int:
    return sum(each.reason is IncidentReason.MAIL_CEILING for each in rows(Incident))


def test_all_together_have_a_ceiling_and_alarm_operators_at_half_of_it(
    client: FlaskClient, settings_env: Callable[..., None]
) -> None:
    settings_env(STRANGER_MAILS_A_DAY="4")
    add_operator(*BOTH)
    assert register(client, "a@example.org", "192.0.2.1") == 202
    jobs.watch_operations()
    assert count_alarms() == 0
    for number in range(2, 5):
        assert register(client, f"{number}@example.org", f"192.0.2.{number}") == 202
    jobs.watch_operations()
    jobs.watch_operations()
    assert count_alarms() == 1
    told = [each.params["reason"] for each in rows(Notification) if each.kind == "operations_alarm"]
    assert told == [IncidentReason.MAIL_CEILING]
    assert register(client, "z@example.org", FAR) == 429


def test_accounts_that_nobody_confirmed_ask_for_new_passwords_within_the_mailbox_s_six(
    client: FlaskClient, person: People
) -> None:
    for number in range(8):
        person(f"marie+{number}@outlook.fr", confirmed=False)
        body = {"email": f"marie+{number}@outlook.fr"}
        address = {"REMOTE_ADDR": f"198.51.100.{number}"}
        answer = client.post("/api/auth/forgot-password", json=body, environ_base=address)
        assert answer.status_code == 202
    assert count_mails("password_reset") == 6


def test_an_owner_is_sent_a_new_password_whatever_strangers_asked_for(
    client: FlaskClient, person: People, settings_env: Callable[..., None]
) -> None:
    settings_env(STRANGER_MAILS_A_DAY="0")
    owner = person("camille@example.org")
    for number in range(7):
        register(client, f"camille+{number}@example.org")
    body = {"email": "camille@example.org"}
    answer = client.post("/api/auth/forgot-password", json=body, environ_base={"REMOTE_ADDR": FAR})
    assert answer.status_code == 202
    assert [each.user_id for each in rows(Notification) if each.kind == "password_reset"] == [owner.id]


def test_a_request_to_support_is_stored_though_no_receipt_may_be_sent(client: FlaskClient) -> None:
    for number in range(8):
        body = {"email": f"ma.rie+{number}@gmail.com", "message": "Bonjour, une question."}
        address = {"REMOTE_ADDR": f"198.51.100.{number}"}
        assert client.post("/api/support", json=body, environ_base=address).status_code == 201
    assert (len(rows(SupportRequest)), count_mails("support_received")) == (8, 6)


# The forms that need no login: their paths, fields, and the receipts that they send.
FORMS = pytest.mark.parametrize(
    ("path", "fields", "receipt"),
    [
        ("/l/retractation", {"order": "7KQ2M9XWPA"}, "withdrawal_received"),
        ("/l/resilier", {"reference": "7KQ2M9XWPA", "wished": "periodEnd"}, "cancel_noticed"),
    ],
)


def declare(client: FlaskClient, path: str, fields: dict[str, str], email: str, address: str) -> int:
    data = fields | {"name": "Marie", "email": email, "confirmed": "true"}
    return client.post(path, data=data, environ_base={"REMOTE_ADDR": address}).status_code


@FORMS
def test_a_declaration_counts_though_its_mailbox_gets_no_receipt_any_more(
    client: FlaskClient, path: str, fields: dict[str, str], receipt: str
) -> None:
    for number in range(8):
        email, address = f"ma.rie+{number}@gmail.com", f"198.51.100.{number}"
        assert declare(client, path, fields, email, address) == 200
    assert (len(rows(Declaration)), count_mails(receipt)) == (8, 6)


@FORMS
def test_declarations_of_a_48_have_a_ceiling(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, path: str, fields: dict[str, str], receipt: str
) -> None:
    monkeypatch.setitem(rate_limits.FORMS, Door.DECLARATION, ("20 per hour", "2 per hour"))
    places = ("2001:db8:7:8::1", "2001:db8:7:9::1", "2001:db8:7:a::1", "2001:db8:8:8::1", FAR)
    found = [
        declare(client, path, fields, f"{number}@example.org", place) for number, place in enumerate(places)
    ]
    assert found == [200, 200, 429, 200, 200]
    assert len(rows(Declaration)) == count_mails(receipt) == 4
