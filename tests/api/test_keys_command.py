"""`flask keys`: ages from the programs' starts, and what to do at each step of a rotation."""

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest
import time_machine
from click.testing import CliRunner
from flask import Flask
from structlog.testing import capture_logs

from api.keys_command import keys_command
from api.middleware.gunicorn_hooks import BEFORE_FORK
from api.models.base import session
from api.models.contact_linking import TelegramLink
from api.models.contact_lookup import claim_address
from api.models.key_sighting import KeySighting, record_keys
from api.models.user import Channel, Contact, User
from api.rekey_command import rekey_command
from configs.ground.clock import clock
from configs.settings.keys import _COST
from notifier.telegram_bot import register_webhook
from tests.clients import People, Person
from tests.factories import change, rows, save
from tests.rotation import NEW, OLD

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("app")
Put = Callable[..., None]
Start = Callable[..., None]


@pytest.fixture(autouse=True)
def _keys(app: Flask, settings_env: Put) -> None:
    settings_env(JWT_SECRET=OLD, LINK_KEY=OLD, DATA_KEYS=OLD, LOOKUP_KEY=OLD)


@pytest.fixture
def start(settings_env: Put) -> Start:
    """Start programs with these keys: `start("api", "notifier", JWT_SECRET=…)`."""

    def record(*programs: str, **keys: str) -> None:
        settings_env(**keys)
        for each in programs:
            record_keys(each)

    return record


def show(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(keys_command, arguments)
    assert done.exit_code == code, (done.output, done.exception)
    return str(done.output)


def values(name: str) -> list[tuple[int | None, str, str]]:
    """Return place, state and advice of each value of a key."""
    found = json.loads(show("--json"))["keys"]
    return [(each["place"], each["state"], each["advice"]) for each in found if each["key"] == name]


def losses() -> list[str]:
    return list(json.loads(show("--json"))["losses"])


def rekey() -> None:
    done = CliRunner().invoke(rekey_command)
    assert done.exit_code == 0, done.output


def add_number(who: Person, number: str = "+33639800001") -> None:
    with session() as s:
        contact = Contact(user_id=who.id, channel=Channel.SMS, address=number, verified_at=clock())
        s.add(contact)
        assert claim_address(s, contact)


def test_flask_knows_the_command() -> None:
    (known,) = entry_points(group="flask.commands", name="keys")
    assert known.load() is keys_command


def test_an_age_counts_from_the_first_start_not_from_the_first_look(
    start: Start, frozen: time_machine.Traveller
) -> None:
    start("api")
    frozen.shift(timedelta(days=300))
    start("notifier", "api")
    assert values("JWT_SECRET") == [(1, "good", "")]
    frozen.shift(timedelta(days=66))
    assert values("JWT_SECRET") == [(1, "old", "older than 365 days: replace it")]
    found = json.loads(show("--json"))["keys"]
    (jwt,) = [each for each in found if each["key"] == "JWT_SECRET"]
    assert jwt["first_seen_at"] == "2026-11-20T09:00:00+00:00"
    assert jwt["programs"] == ["api", "notifier"]
    (line,) = [each for each in show().splitlines() if each.startswith("JWT_SECRET")]
    assert "2026-11-20, 366 days" in line
    assert "api, notifier" in line


def test_a_value_that_no_program_has_started_with_is_said(start: Start, settings_env: Put) -> None:
    assert values("JWT_SECRET") == [(1, "unseen", "no program has started with it")]
    start("api")
    settings_env(SENDGRID_API_KEY="SG.new")
    assert values("SENDGRID_API_KEY") == [
        (1, "unseen", "no program has started with it"),
        (None, "restart", "not in these settings: restart api"),
    ]


def test_each_step_of_a_rotation_says_what_is_next(
    start: Start, settings_env: Put, frozen: time_machine.Traveller
) -> None:
    start("api", "notifier")
    frozen.shift(60)
    settings_env(LINK_KEY=f"{OLD},{NEW}")
    assert values("LINK_KEY") == [(1, "good", ""), (2, "restart", "restart api, notifier")]
    start("api")
    assert values("LINK_KEY")[1] == (2, "restart", "restart notifier")
    start("notifier")
    assert values("LINK_KEY")[1] == (2, "next", "all programs accept it: put it first")

    frozen.shift(60)
    start("api", LINK_KEY=f"{NEW},{OLD}")
    assert values("LINK_KEY") == [(1, "restart", "restart notifier"), (2, "restart", "restart notifier")]
    frozen.shift(60)
    start("notifier")
    assert values("LINK_KEY") == [
        (1, "good", ""),
        (2, "needed", "links of messages until 2026-12-20 09:03"),
    ]
    frozen.shift(timedelta(days=31))
    assert values("LINK_KEY")[1] == (2, "removable", "nothing needs it: take it out")

    settings_env(LINK_KEY=NEW)
    assert values("LINK_KEY") == [
        (1, "good", ""),
        (None, "restart", "not in these settings: restart api, notifier"),
    ]
    start("api", "notifier")
    assert values("LINK_KEY") == [(1, "good", "")]
    assert losses() == []


def test_the_old_key_of_logins_is_needed_while_they_live(
    start: Start, settings_env: Put, person: People, frozen: time_machine.Traveller
) -> None:
    start("api")
    person()
    frozen.shift(60)
    start("api", JWT_SECRET=f"{NEW},{OLD}")
    assert values("JWT_SECRET")[1] == (2, "needed", "1 login")
    frozen.shift(timedelta(days=31))
    assert values("JWT_SECRET")[1] == (2, "removable", "nothing needs it: take it out")


def test_an_old_data_key_is_needed_until_its_rows_are_renewed(start: Start, camille: Person) -> None:
    add_number(camille)
    change(User, User.id == camille.id, totp_secret="ABCDEFGH", totp_confirmed_at=clock(), totp_used_step=1)
    change(Contact, Contact.channel == Channel.SMS, new_address="+33639801111")
    save(TelegramLink(
        user_id=camille.id, code_hash=b"1", created_at=clock(), expires_at=clock(), chat_id="1", chat_name="C"
    ))  # fmt: skip
    start("api")
    start("api", DATA_KEYS=f"{NEW},{OLD}")
    assert values("DATA_KEYS")[1] == (2, "needed", "5 rows: run `flask rekey`")
    rekey()
    assert values("DATA_KEYS")[1] == (2, "removable", "nothing needs it: take it out")


def test_a_look_up_key_is_needed_until_all_hashes_are_renewed_and_a_day_more(
    start: Start, person: People, frozen: time_machine.Traveller
) -> None:
    add_number(person())
    start("api", "notifier")
    frozen.shift(timedelta(days=100))
    start("api", "notifier", LOOKUP_KEY=f"{NEW},{OLD}")
    assert values("LOOKUP_KEY")[1] == (
        2, "needed", "1 contact: run `flask rekey`, codes by SMS until 2027-03-01 09:00",
    )  # fmt: skip
    rekey()
    assert values("LOOKUP_KEY")[1] == (2, "needed", "codes by SMS until 2027-03-01 09:00")
    frozen.shift(timedelta(days=2))
    assert values("LOOKUP_KEY")[1][1] == "removable"
    start("api", LOOKUP_KEY=NEW)
    assert values("LOOKUP_KEY") == [
        (1, "good", ""), (None, "restart", "not in these settings: restart notifier"),
    ]  # fmt: skip


def test_telegram_has_a_webhook_secret_too(
    start: Start, sandbox: "Running", frozen: time_machine.Traveller, settings_env: Put
) -> None:
    hook = {"TELEGRAM_WEBHOOK_URL": "http://127.0.0.1:9/api/telegram/webhook"}
    start("api", TELEGRAM_WEBHOOK_SECRET="old-secret", **hook)
    register_webhook()
    frozen.shift(60)
    start("api", TELEGRAM_WEBHOOK_SECRET="old-secret,new-secret")
    assert values("TELEGRAM_WEBHOOK_SECRET")[1][1] == "next"
    frozen.shift(60)
    start("api", TELEGRAM_WEBHOOK_SECRET="new-secret,old-secret")
    run = "run set-webhook"
    assert values("TELEGRAM_WEBHOOK_SECRET") == [(1, "restart", run), (2, "restart", run)]
    register_webhook()
    assert [each[1] for each in values("TELEGRAM_WEBHOOK_SECRET")] == ["good", "removable"]


def test_a_key_that_was_taken_out_too_early_is_said_by_the_command_and_at_start(
    app: Flask, start: Start, person: People, frozen: time_machine.Traveller
) -> None:
    add_number(person())
    start("api")
    frozen.shift(60)
    start("api", JWT_SECRET=NEW, LINK_KEY=NEW, DATA_KEYS=NEW)
    lost = [
        f"{name} lacks the value that signed until 2026-11-20 09:01, and refuses {what}; give it back behind the present"
        " one, unless it leaked"
        for name, what in (("JWT_SECRET", "1 login"), ("LINK_KEY", "the links of messages"))
    ]
    assert losses() == [*lost, "1 row that no key of DATA_KEYS decrypts: give it back the key that it lost"]
    with capture_logs() as logs:
        app.extensions[BEFORE_FORK][-1]()
    assert [each["event"] for each in logs] == [
        "phone numbers or chats cannot be decrypted: give DATA_KEYS back the key that it lost",
        *lost,
    ]
    start("api", DATA_KEYS=OLD, LOOKUP_KEY=NEW)
    assert "give LOOKUP_KEY back the value that it lost, or run `flask rekey`" in losses()[0]
    start("api", JWT_SECRET=f"{NEW},{OLD}", LINK_KEY=f"{NEW},{OLD}", LOOKUP_KEY=f"{NEW},{OLD}")
    assert losses() == []


def test_a_fingerprint_is_slow_short_and_of_one_key(start: Start) -> None:
    start("api", SCRAPYD_PASSWORD="a-weak-password", TELEGRAM_WEBHOOK_SECRET="a-weak-password")
    stored = {row.name: row.fingerprint for row in rows(KeySighting)}
    assert {len(each) for each in stored.values()} == {8}
    assert stored["scrapyd_password"] != stored["telegram_webhook_secret"]
    plain = [hashlib.new(kind, b"a-weak-password").hexdigest()[:8] for kind in ("md5", "sha1", "sha256")]
    assert stored["scrapyd_password"] not in plain
    assert _COST == 1 << 14


def test_keys_that_only_other_programs_are_given_are_known_by_their_starts(
    start: Start, settings_env: Put, frozen: time_machine.Traveller
) -> None:
    start("notifier", "background", SENDGRID_API_KEY="SG.old")
    settings_env(SENDGRID_API_KEY="")
    assert values("SENDGRID_API_KEY") == [(None, "good", "")]
    frozen.shift(60)
    start("notifier", SENDGRID_API_KEY="SG.new")
    settings_env(SENDGRID_API_KEY="")
    assert sorted(values("SENDGRID_API_KEY")) == [(None, "good", ""), (None, "restart", "restart background")]


def test_the_api_records_its_keys_before_it_forks(app: Flask) -> None:
    app.extensions[BEFORE_FORK][-1]()
    assert {row.program for row in rows(KeySighting)} == {"api"}
    assert "jwt_secret" in {row.name for row in rows(KeySighting)}


def test_a_database_that_is_away_stops_no_program_but_the_command(app: Flask, settings_env: Put) -> None:
    settings_env(DATABASE_URL="postgresql://nobody:nothing@127.0.0.1:1/none")
    with capture_logs() as logs:
        app.extensions[BEFORE_FORK][-1]()
    assert [each["event"] for each in logs] == [
        "keys are not recorded: the next start does",
        "keys are not checked",
    ]
    assert "the database does not answer" in show(code=1)
    settings_env(DATABASE_URL="")
    assert "DATABASE_URL is not set" in show(code=1)
