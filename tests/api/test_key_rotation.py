"""Rotation of the keys that the API reads: programs with both sets of values work side by side, and nothing is refused."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient

from api.models.base import session
from api.models.contact_lookup import claim_address, find_contact
from api.models.user import Channel, Contact, User
from api.rekey_command import rekey_command
from configs.ground.clock import clock
from configs.ground.encryption import DecryptionFailed, decrypt
from configs.ground.signed_links import ConfirmDeclaration, read_token, write_token
from tests.clients import Browser
from tests.factories import PASSWORD, add_account
from tests.rotation import BESIDE, NEW, OLD, STEPS

Put = Callable[..., None]
Become = Callable[[str], FlaskClient]


@pytest.fixture
def become(app: Flask, settings_env: Put, monkeypatch: pytest.MonkeyPatch) -> Become:
    """Be a process of the API that was started with this JWT_SECRET."""

    def start(secret: str) -> FlaskClient:
        settings_env(JWT_SECRET=secret)
        monkeypatch.setitem(app.config, "JWT_SECRET_KEY", secret.partition(",")[0])
        return app.test_client()

    return start


@pytest.mark.parametrize(("one", "other"), BESIDE)
def test_a_link_of_one_program_is_good_at_the_other(one: str, other: str, settings_env: Put) -> None:
    settings_env(LINK_KEY=one)
    link = ConfirmDeclaration(UUID(int=1))
    token = write_token(link)
    settings_env(LINK_KEY=other)
    assert read_token(ConfirmDeclaration, token) == link


def log_in(client: FlaskClient) -> dict[str, Any]:
    answer = client.post("/api/auth/login", json={"email": "camille@example.org", "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return dict(answer.json or {})


def ask(client: FlaskClient, tokens: dict[str, Any]) -> int:
    headers = {"Authorization": f"Bearer {tokens['token']}"}
    return client.get("/api/auth/me", headers=headers).status_code


def refresh(client: FlaskClient, tokens: dict[str, Any]) -> Any:
    return client.post("/api/auth/refresh", headers={"Authorization": f"Bearer {tokens['refreshToken']}"})


@pytest.mark.parametrize(("one", "other"), BESIDE)
def test_a_login_at_one_program_goes_on_at_the_other(one: str, other: str, become: Become) -> None:
    add_account()
    tokens = log_in(become(one))
    assert ask(become(other), tokens) == 200
    renewed = refresh(become(other), tokens)
    assert renewed.status_code == 200
    assert [ask(become(each), renewed.json) for each in (one, other)] == [200, 200]


def test_a_login_under_the_old_value_is_refused_in_the_end(become: Become) -> None:
    add_account()
    tokens = log_in(become(OLD))
    client = become(NEW)
    assert (ask(client, tokens), refresh(client, tokens).status_code) == (401, 401)


@pytest.mark.parametrize(("one", "other"), BESIDE)
def test_a_form_of_one_program_is_taken_by_the_other_that_renewed_the_cookies(
    one: str, other: str, become: Become, app: Flask
) -> None:
    add_account()
    become(one)
    browser = Browser(app).sign_in()
    opened = browser.get("/profil")
    become(other)
    browser.forget_access()
    browser.get("/profil")  # in another tab
    browser.page = opened
    browser.send("/logout")
    assert browser.status == 303
    browser.get("/profil")
    assert browser.status == 303


def add_number(number: str) -> bool:
    """Write a user with a verified number; return False where another has it."""
    with session() as s:
        user = User(email=f"{clock().timestamp()}-{number}@example.org")
        s.add(user)
        s.flush()
        contact = Contact(user_id=user.id, channel=Channel.SMS, address=number, verified_at=clock())
        s.add(contact)
        taken = not claim_address(s, contact)
        if taken:
            s.rollback()
        return not taken


def read_numbers() -> set[str]:
    with session() as s:
        return set(s.scalars(sa.select(Contact.address)))


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(("one", "other"), BESIDE)
def test_a_number_that_one_program_wrote_is_read_found_and_guarded_by_the_other(
    one: str, other: str, settings_env: Put
) -> None:
    settings_env(DATA_KEYS=one, LOOKUP_KEY=one)
    assert add_number("+33639800001")
    settings_env(DATA_KEYS=other, LOOKUP_KEY=other)
    assert read_numbers() == {"+33639800001"}
    with session() as s:
        assert find_contact(s, Channel.SMS, "+33639800001")
    assert not add_number("+33639800001")


@pytest.mark.usefixtures("database")
def test_numbers_outlive_the_rotation_and_the_old_value_is_good_for_nothing(settings_env: Put) -> None:
    for number, keys in enumerate(STEPS[:-1]):
        settings_env(DATA_KEYS=keys, LOOKUP_KEY=keys)
        assert add_number(f"+3363980000{number}")
    assert CliRunner().invoke(rekey_command).exit_code == 0
    settings_env(DATA_KEYS=NEW, LOOKUP_KEY=NEW)
    assert read_numbers() == {f"+3363980000{number}" for number in range(3)}
    with session() as s:
        assert all(find_contact(s, Channel.SMS, each) for each in read_numbers())
        stored = s.scalars(sa.select(sa.type_coerce(Contact.address, sa.Text))).all()
    settings_env(DATA_KEYS=OLD, LOOKUP_KEY=OLD)
    for each in stored:
        with pytest.raises(DecryptionFailed):
            decrypt(each)
