"""The second factor: setting it up, signing in with it, and its recovery codes."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pyotp
import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from api.auth.access import sign_challenge
from api.auth.mailbox_claims import sign_reset
from api.models.alert import Alert
from api.models.base import session
from api.models.login import Login
from api.models.user import Contact, User
from configs.ground.clock import clock
from tests.clients import problem
from tests.factories import PASSWORD, add_account, add_alert, change, get, one, rows
from tests.waiting import at_once

CAMILLE = {"email": "camille@example.org", "password": PASSWORD}
Headers = dict[str, str]


def code_of(secret: str, steps: int = 0) -> str:
    return pyotp.TOTP(secret).at(clock(), counter_offset=steps)


@pytest.fixture
def headers(client: FlaskClient, frozen: time_machine.Traveller) -> Headers:
    add_account(CAMILLE["email"])
    given = client.post("/api/auth/login", json=CAMILLE).json or {}
    return {"Authorization": f"Bearer {given['token']}"}


@pytest.fixture
def factor(client: FlaskClient, headers: Headers) -> tuple[str, list[str]]:
    """Set up a second factor; give its secret and its recovery codes."""
    setup = client.post("/api/auth/totp", headers=headers).json or {}
    body = {"setup": setup["setup"], "code": code_of(setup["secret"], -1)}
    confirmed = client.post("/api/auth/totp/confirm", json=body, headers=headers)
    assert confirmed.status_code == 200, confirmed.text
    return setup["secret"], (confirmed.json or {})["recoveryCodes"]


def challenge(client: FlaskClient) -> str:
    answer = client.post("/api/auth/login", json=CAMILLE).json or {}
    assert set(answer) == {"totpRequired", "challenge"}
    assert answer["totpRequired"] is True
    return str(answer["challenge"])


def finish(client: FlaskClient, text: str, code: str) -> Any:
    return client.post("/api/auth/login/totp", json={"challenge": text, "code": code})


def test_the_secret_is_stored_only_once_a_code_has_proven_it(client: FlaskClient, headers: Headers) -> None:
    setup = client.post("/api/auth/totp", headers=headers).json or {}
    address = urlsplit(setup["otpauthUrl"])
    assert (address.scheme, unquote(address.path)) == ("otpauth", "/RDVPriority:camille@example.org")
    assert parse_qs(address.query)["secret"] == [setup["secret"]]
    wrong = client.post(
        "/api/auth/totp/confirm", json={"setup": setup["setup"], "code": "000000"}, headers=headers
    )
    assert (wrong.status_code, problem(wrong)[1]) == (403, "wrong-code")
    with session() as s:
        kept = s.execute(sa.text("SELECT totp_secret, totp_confirmed_at FROM users")).one()
    assert tuple(kept) == (None, None)
    assert "token" in (client.post("/api/auth/login", json=CAMILLE).json or {})


def test_a_login_needs_the_code_which_the_database_does_not_hold_and_then_gives_tokens(
    client: FlaskClient, factor: tuple[str, list[str]], headers: Headers
) -> None:
    secret, codes = factor
    with session() as s:
        kept = s.execute(sa.text("SELECT totp_secret FROM users")).scalar_one()
    assert len(kept) > len(secret)
    assert secret not in kept
    stored = set(one(User).recovery_hashes)
    assert len(stored) == len(set(codes)) == 10
    assert not stored & {each.replace("-", "") for each in codes}
    text = challenge(client)
    assert client.get("/api/auth/me", headers={"Authorization": f"Bearer {text}"}).status_code == 401
    done = finish(client, text, code_of(secret))
    assert set(done.json) == {"token", "refreshToken", "expiresAt"}
    shown = client.get("/api/auth/me", headers={"Authorization": f"Bearer {done.json['token']}"}).json or {}
    assert shown["totpEnabled"] is True


def test_codes_are_taken_as_people_write_them(
    client: FlaskClient, factor: tuple[str, list[str]], frozen: time_machine.Traveller
) -> None:
    for between, recovery in zip((" ", "\u202f", "-", "\u2013", ".", ",", "\u20e3"), factor[1], strict=False):
        arabic = "".join(chr(0x660 + int(each)) for each in code_of(factor[0]))
        assert finish(client, challenge(client), f"{arabic[:3]}{between}{arabic[3:]}").status_code == 200
        typed = recovery.upper().replace("-", between)
        assert finish(client, challenge(client), f"\u200e {typed} ").status_code == 200
        frozen.shift(30)


def test_each_code_is_good_once(
    client: FlaskClient, factor: tuple[str, list[str]], frozen: time_machine.Traveller
) -> None:
    code = code_of(factor[0])
    assert finish(client, challenge(client), code).status_code == 200
    again = finish(client, challenge(client), code)
    assert (again.status_code, problem(again)[1]) == (401, "wrong-code")
    assert finish(client, challenge(client), code_of(factor[0], -1)).status_code == 401  # an earlier one
    frozen.shift(timedelta(seconds=30))
    assert finish(client, challenge(client), code_of(factor[0])).status_code == 200


def test_a_code_that_arrives_five_times_at_once_signs_in_once(
    app: Flask, client: FlaskClient, factor: tuple[str, list[str]]
) -> None:
    text, code = challenge(client), code_of(factor[0])
    before = len(rows(Login))
    codes = at_once(lambda _: finish(app.test_client(), text, code).status_code, range(5))
    assert sorted(codes) == [200, 401, 401, 401, 401]
    assert len(rows(Login)) == before + 1


def test_a_challenge_allows_five_tries_and_an_address_ten(
    client: FlaskClient, factor: tuple[str, list[str]]
) -> None:
    text = challenge(client)
    for _ in range(5):
        assert finish(client, text, "000000").status_code == 401
    assert finish(client, text, code_of(factor[0])).status_code == 429
    assert finish(client, challenge(client), code_of(factor[0])).status_code == 200
    text = challenge(client)
    for _ in range(5):
        assert finish(client, text, "000000").status_code == 401
    assert finish(client, challenge(client), factor[1][0]).status_code == 429


def test_an_account_takes_thirty_wrong_codes_an_hour_from_wherever_and_its_owner_goes_on(
    client: FlaskClient, factor: tuple[str, list[str]]
) -> None:
    user = one(User)

    def try_code(number: int, code: str) -> int:
        """Try a code as somebody who has the password: each time with a challenge and from an address of its own."""
        body = {"challenge": sign_challenge(user), "code": code}
        stranger = client.application.test_client(use_cookies=False)
        here = {"REMOTE_ADDR": f"203.0.113.{number}"}
        return stranger.post("/api/auth/login/totp", json=body, environ_base=here).status_code

    assert [try_code(number, "000000") for number in range(30)] == [401] * 30
    assert try_code(30, code_of(factor[0])) == 429
    assert finish(client, challenge(client), code_of(factor[0])).status_code == 200, "at a known place"


def test_a_challenge_ends_after_five_minutes_or_with_a_new_password(
    client: FlaskClient, factor: tuple[str, list[str]], frozen: time_machine.Traveller
) -> None:
    text = challenge(client)
    frozen.shift(timedelta(minutes=5, seconds=1))
    assert problem(finish(client, text, code_of(factor[0])))[1] == "challenge-over"
    text = challenge(client)
    change(User, token_version=User.token_version + 1)
    assert problem(finish(client, text, code_of(factor[0])))[1] == "challenge-over"
    for strange in ("x", "", "a.b.c", text[:-1]):
        assert problem(finish(client, strange, "000000"))[1] == "challenge-over"


def test_each_recovery_code_signs_in_once(client: FlaskClient, factor: tuple[str, list[str]]) -> None:
    code = factor[1][3]
    assert finish(client, challenge(client), code.upper().replace("-", " ")).status_code == 200
    assert finish(client, challenge(client), code).status_code == 401
    assert len(one(User).recovery_hashes) == 9


def test_new_recovery_codes_replace_the_old_ones_and_need_a_recent_proof_as_its_removal_does(
    client: FlaskClient, factor: tuple[str, list[str]], headers: Headers, frozen: time_machine.Traveller
) -> None:
    answer = client.post("/api/auth/totp/recovery-codes", headers=headers)
    new = (answer.json or {})["recoveryCodes"]
    assert (len(new), len(one(User).recovery_hashes)) == (10, 10)
    text = challenge(client)
    assert finish(client, text, factor[1][0]).status_code == 401
    assert finish(client, text, new[0]).status_code == 200
    frozen.shift(timedelta(minutes=6))
    for method, path in (("POST", "/recovery-codes"), ("DELETE", "")):
        late = client.open(f"/api/auth/totp{path}", method=method, headers=headers)
        assert (late.status_code, problem(late)[1]) == (403, "recent-proof-needed")


def test_a_proof_needs_the_code_too(
    client: FlaskClient, factor: tuple[str, list[str]], headers: Headers
) -> None:
    def prove(**code: str) -> Any:
        return client.post("/api/auth/prove", json={"password": PASSWORD} | code, headers=headers)

    assert problem(prove())[1] == "code-needed"
    assert problem(prove(code="000000"))[1] == "wrong-proof"
    assert prove(code=code_of(factor[0])).status_code == 200


def test_a_second_one_is_refused_and_the_first_is_removed_with_its_codes(
    client: FlaskClient, factor: tuple[str, list[str]], headers: Headers
) -> None:
    again = client.post("/api/auth/totp", headers=headers)
    assert (again.status_code, problem(again)[1]) == (409, "totp-exists")
    assert client.delete("/api/auth/totp", headers=headers).status_code == 204
    assert one(User).recovery_hashes == []
    assert "token" in (client.post("/api/auth/login", json=CAMILLE).json or {})


def test_the_setup_of_another_user_is_refused(
    client: FlaskClient, headers: Headers, person: Callable[..., Any]
) -> None:
    robin = person("robin@example.org")
    setup = client.post("/api/auth/totp", headers=robin.headers).json or {}
    body = {"setup": setup["setup"], "code": code_of(setup["secret"])}
    answer = client.post("/api/auth/totp/confirm", json=body, headers=headers)
    assert (answer.status_code, problem(answer)[1]) == (403, "wrong-setup")


def test_a_key_that_is_missing_is_said_and_no_error(
    client: FlaskClient, factor: tuple[str, list[str]], settings_env: Callable[..., None]
) -> None:
    text = challenge(client)
    settings_env(DATA_KEYS="another-key-another-key-another-key")
    answer = finish(client, text, code_of(factor[0]))
    assert (answer.status_code, problem(answer)[1]) == (503, "unavailable")
    settings_env(DATA_KEYS="another-key-another-key-another-key,0123456789abcdef-0123456789abcdef-data")
    assert finish(client, text, code_of(factor[0])).status_code == 200


def test_a_reset_keeps_the_second_factor_and_everything_else(
    client: FlaskClient, headers: Headers, factor: tuple[str, list[str]]
) -> None:
    _, codes = factor
    hours = {"from": "22:00", "until": "07:00", "slots": True}
    wished = {"slotRhythm": "daily", "digestAt": "03:00", "quietHours": hours}
    assert client.patch("/api/users/notifications", json=wished, headers=headers).status_code == 200
    kept = client.get("/api/users/notifications", headers=headers).json
    (user,) = rows(User)
    alert = add_alert(user.id)
    token = sign_reset(one(Contact), get(User, user.id))
    reset = {"token": token, "password": "velours-cactus-7-marée"}
    assert client.post("/api/auth/reset-password", json=reset).status_code == 204
    login = {"email": CAMILLE["email"], "password": reset["password"]}
    answer = client.post("/api/auth/login", json=login).json or {}
    assert set(answer) == {"totpRequired", "challenge"}
    given = finish(client, answer["challenge"], codes[0]).json
    again = {"Authorization": f"Bearer {given['token']}"}
    assert client.get("/api/users/notifications", headers=again).json == kept
    assert [each.id for each in rows(Alert)] == [alert]
