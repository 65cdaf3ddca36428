import subprocess
import sys
from collections.abc import Callable

import pytest
import redis
from click.testing import CliRunner
from flask import Flask
from rq import Queue

from api.app import create_app
from api.grant_command import grant_command
from api.models.notification import QUEUES, Notification
from api.models.user import Contact
from configs.ground.contact_addresses import digest
from configs.ground.signed_links import VerifyAddress, write_token
from configs.settings import SettingMissing, settings
from tests.api.world import PREFECTURES
from tests.factories import PASSWORD, rows


def test_without_a_secret_or_redis_it_does_not_start_and_says_what_is_missing(
    settings_env: Callable[..., None],
) -> None:
    settings_env(JWT_SECRET="", REDIS_URL="redis://127.0.0.1:1/0")
    with pytest.raises(SettingMissing, match="JWT_SECRET is not set"):
        create_app()
    settings_env(JWT_SECRET="0123456789abcdef-0123456789abcdef-tests", REDIS_URL="")
    with pytest.raises(SettingMissing, match="REDIS_URL is not set"):
        create_app()


def test_the_records_load_without_flask_and_the_package_is_empty() -> None:
    code = "import sys, api, api.models.all; print(sorted({'flask', 'scrapy', 'rq'} & set(sys.modules)), vars(api).get('__doc__'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] None\n"


@pytest.fixture
def open_door(database: str, redis_server: redis.Redis, settings_env: Callable[..., None]) -> Flask:
    """Make an app whose front door to the notifier is the real one."""
    settings_env(PREFECTURES_DIR=PREFECTURES)
    return create_app()


def test_a_person_registers_confirms_is_given_a_plan_and_waits(
    open_door: Flask, redis_server: redis.Redis
) -> None:
    client = open_door.test_client()
    account = {"email": "camille@example.org", "password": PASSWORD}
    assert client.post("/api/auth/register", json=account).status_code == 202
    token = (client.post("/api/auth/login", json=account).json or {})["token"]
    headers = {"Authorization": f"Bearer {token}"}
    (contact,) = rows(Contact)
    token = write_token(VerifyAddress(contact.id, digest(contact.address)))
    assert client.post(f"/l/{token}").status_code == 200
    wish = {"prefectureId": "bobigny_93", "procedures": ["TITRE_SEJOUR"]}
    assert client.post("/api/alerts", json=wish, headers=headers).status_code == 402
    granted = CliRunner().invoke(grant_command, ["camille@example.org", "URGENCE_24H"])
    assert granted.exit_code == 0, granted.output
    made = client.post("/api/alerts", json=wish, headers=headers)
    assert made.status_code == 201
    me = client.get("/api/auth/me", headers=headers).json or {}
    assert (me["plan"], me["emailVerified"]) == ("URGENCE_24H", True)
    assert sorted(row.kind for row in rows(Notification)) == ["verify_email", "welcome"]
    waiting = sum(Queue(name, connection=redis_server).count for name in QUEUES)
    assert waiting == 3  # two mails to deliver, the alert to catch up


def test_what_is_registered_stays_when_redis_goes_away_after_the_commit(
    open_door: Flask, settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = open_door.test_client()
    monkeypatch.setenv(
        "REDIS_URL", "redis://127.0.0.1:1/0"
    )  # what the front door reads; the limits keep theirs
    settings.cache_clear()
    answer = client.post("/api/auth/register", json={"email": "camille@example.org", "password": PASSWORD})
    assert answer.status_code == 202
    assert len(rows(Notification)) == 1
