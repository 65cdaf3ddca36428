"""Rotation of keys: `flask rekey` while others write, and programs with both sets of values work side by side."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient

from api.commands import rekey_command
from api.models.base import session
from api.models.contact_lookup import claim_address, find_contact
from api.models.user import Channel, Contact, User
from configs.ground.clock import clock
from configs.ground.signing import ConfirmDeclaration, read_token, write_token
from tests.clients import Browser
from tests.factories import PASSWORD, add_account, remove, rows
from tests.in_turn import in_turn
from tests.rotation import BESIDE, NEW, OLD

pytestmark = pytest.mark.usefixtures("database")

Put = Callable[..., None]


@pytest.fixture(autouse=True)
def _old_keys(database: str, settings_env: Put) -> None:
    use_keys(settings_env, OLD)


def use_keys(settings_env: Put, keys: str) -> None:
    settings_env(DATA_KEYS=keys, LOOKUP_KEY=keys)


def rekey(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(rekey_command, arguments)
    assert done.exit_code == code, (done.output, done.exception)
    return str(done.output)


def add(number: int, channel: Channel = Channel.SMS, address: str | None = None) -> UUID | None:
    """Write a user with a verified contact; return its id, or None where another has the address."""
    with session() as s:
        user = User(email=f"p{number}-{channel}@example.org")
        s.add(user)
        s.flush()
        contact = Contact(
            user_id=user.id, channel=channel, address=address or f"+336398{number:05}", verified_at=clock()
        )
        s.add(contact)
        if channel is not Channel.EMAIL and not claim_address(s, contact):
            s.rollback()
            return None
        return contact.id


def stored() -> dict[UUID, str]:
    """Return the addresses as the table has them."""
    with session() as s:
        found = s.execute(sa.select(Contact.id, sa.type_coerce(Contact.address, sa.Text).label("address")))
        return {row.id: row.address for row in found}


def addresses() -> set[str]:
    with session() as s:
        return set(s.scalars(sa.select(Contact.address)))


def hashes() -> int:
    with session() as s:
        return sum(len(each) for each in s.scalars(sa.select(Contact.lookup_hashes)))


def test_a_key_is_replaced_step_by_step(settings_env: Put) -> None:
    keys = [add(1), add(2, Channel.TELEGRAM, "987654"), add(3, Channel.EMAIL, "camille@example.org")]
    before = stored()
    assert rekey("--check").startswith("0 rows need `flask rekey`")
    use_keys(settings_env, f"{NEW},{OLD}")
    assert addresses() == {"+33639800001", "987654", "camille@example.org"}
    assert "4 rows need `flask rekey`: 2 encrypted, 2 hashed" in rekey("--check", code=1)
    assert rekey() == "2 rows encrypted anew\n"
    assert rekey("--check").startswith("0 rows need `flask rekey`")
    after = stored()
    changed = {key for key in before if before[key] != after[key]}
    assert changed == set(keys[:2])
    assert rekey() == "0 rows encrypted anew\n"
    assert hashes() == 4
    use_keys(settings_env, NEW)
    assert rekey() == "0 rows encrypted anew\n"
    assert hashes() == 2
    assert addresses() == {"+33639800001", "987654", "camille@example.org"}
    with session() as s:
        found = find_contact(s, Channel.SMS, "+33639800001")
        assert found
        assert found.id == keys[0]
        assert find_contact(s, Channel.TELEGRAM, "+33639800001") is None


def test_a_lost_key_is_said_and_stops_no_other_row(settings_env: Put) -> None:
    add(1)
    use_keys(settings_env, NEW)
    add(2)
    assert "1 rows need `flask rekey`: 1 encrypted" in rekey("--check", code=1)
    said = rekey(code=1)
    assert "1 rows need a key that DATA_KEYS does not have" in said
    use_keys(settings_env, f"{NEW},{OLD}")
    assert rekey() == "1 rows encrypted anew\n"
    assert addresses() == {"+33639800001", "+33639800002"}


def test_a_number_has_one_owner_whichever_keys_the_programs_know(settings_env: Put) -> None:
    assert add(1, address="+33639800001")
    for keys in (f"{NEW},{OLD}", f"{OLD},{NEW}", OLD):
        use_keys(settings_env, keys)
        assert add(2, address="+33639800001") is None
    use_keys(settings_env, f"{NEW},{OLD}")
    rekey()
    for keys in (NEW, OLD, f"{NEW},{OLD}"):
        use_keys(settings_env, keys)
        assert add(2, address="+33639800001") is None


def test_a_new_number_gives_the_old_one_back() -> None:
    key = add(1)
    with session() as s:
        contact = s.get_one(Contact, key)
        contact.address = "+33639899999"
        assert claim_address(s, contact)
    assert add(2, address="+33639899999") is None
    assert add(1_000, address="+33639800001")


def test_an_address_that_two_accounts_got_is_switched_off_and_said(settings_env: Put) -> None:
    add(1, address="+33639800001")
    use_keys(settings_env, NEW)  # a program that does not know the old key
    add(2, address="+33639800001")
    use_keys(settings_env, f"{NEW},{OLD}")
    assert "1 contacts have an address that another account has" in rekey(code=1)
    verified = rows(Contact, Contact.verified_at.is_not(None))
    assert len(verified) == 1
    assert rekey() == "0 rows encrypted anew\n"


def test_a_row_that_another_keeps_for_too_long_is_said_and_may_be_tried_again(
    settings_env: Put, database: str
) -> None:
    key = add(1)
    use_keys(settings_env, f"{NEW},{OLD}")
    settings_env(DATABASE_SECONDS="1")
    other = sa.create_engine(database, poolclass=sa.NullPool)
    with other.begin() as holder:
        holder.execute(sa.text("SELECT FROM contacts WHERE id = :id FOR UPDATE"), {"id": key})
        assert "run it again to go on" in rekey(code=1)
    assert rekey() == "1 rows encrypted anew\n"
    settings_env(DATABASE_URL="")
    assert "DATABASE_URL is not set" in rekey(code=1)


Become = Callable[[str], FlaskClient]


@pytest.fixture
def become(app: Flask, settings_env: Put, monkeypatch: pytest.MonkeyPatch) -> Become:
    """Be a process of the API that was started with this JWT_SECRET."""

    def start(secret: str) -> FlaskClient:
        settings_env(JWT_SECRET=secret)
        monkeypatch.setitem(app.config, "JWT_SECRET_KEY", secret.partition(",")[0])
        return app.test_client()

    return start


@in_turn("one, other", BESIDE)
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


@in_turn("one, other", BESIDE)
def test_a_login_at_one_program_goes_on_at_the_other(one: str, other: str, become: Become) -> None:
    remove(User)
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


@in_turn("one, other", BESIDE)
def test_a_form_of_one_program_is_taken_by_the_other_that_renewed_the_cookies(
    one: str, other: str, become: Become, app: Flask
) -> None:
    remove(User)
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
