"""The secrets of a new server: strong enough for production, drawn once, and the empty ones named."""

import random
import re
import stat
import string
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from configs.ground.redis import read_rules
from configs.settings import SettingsRefused, load
from configs.settings.production_checks import read_password
from deploy import draw_secrets
from tests.configs.settings.test_settings import PRODUCTION, STRONG
from tests.in_turn import in_turn
from tests.lab.secret_scan import main

GIVEN = {
    "backup_secret_access_key",
    "sendgrid_api_key",
    "stripe_secret_key",
    "stripe_webhook_secret",
    "telegram_bot_token",
    "twilio_auth_token",
}


def run(*arguments: object) -> str:
    script = [sys.executable, "-I", draw_secrets.__file__]  # as on a server that has nothing but Python
    return subprocess.run([*script, *map(str, arguments)], capture_output=True, text=True, check=True).stdout


def test_production_starts_with_what_is_drawn_once_the_rest_is_filled_in(
    tmp_path: Path, settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VAPID_PRIVATE_KEY", raising=False)
    folder = tmp_path / "secrets"
    assert run(folder) == f"to be filled in {folder}: {', '.join(sorted(GIVEN))}\n"
    (folder / "redis_url").write_text(
        (folder / "redis_url_api").read_text()
    )  # as Compose names it to the API
    drawn = {file.name.upper() for file in folder.iterdir()} | {"SECRETS_DIR"}
    settings_env(**PRODUCTION | dict.fromkeys(drawn, "") | {"SECRETS_DIR": folder, "BCRYPT_COST": 12})
    with pytest.raises(SettingsRefused) as refused:
        load()
    lacking = {line.replace(":", " ").split()[0].lower() for line in str(refused.value).split("\n")[1:]}
    assert lacking == GIVEN - {"backup_secret_access_key"}  # which a store that is a folder has not
    for name in GIVEN:
        (folder / name).chmod(0o600)
        (folder / name).write_text(PRODUCTION.get(name.upper(), STRONG))
    assert run(folder) == ""
    found = load()
    assert found.require("database_url").endswith("@postgres:5432/rdvpriority")
    assert f":{found.require('db_password')}@" in found.require("database_url")


def test_a_password_that_a_person_chose_may_hold_any_letter(tmp_path: Path) -> None:
    (tmp_path / "db_password").write_text("db %25 :@/'\"\\?#é \n")
    draw_secrets.draw(tmp_path)
    assert read_password((tmp_path / "database_url").read_text().strip()) == "db %25 :@/'\"\\?#é "


def test_each_user_of_redis_has_an_address(tmp_path: Path) -> None:
    draw_secrets.draw(tmp_path)
    drawn = {file.name: urlsplit(file.read_text().strip()) for file in tmp_path.glob("redis_url_*")}
    assert {name: found.username for name, found in drawn.items()} == {
        f"redis_url_{user}": user for user in read_rules()
    }
    assert len({found.password for found in drawn.values()}) == len(drawn)


def test_what_is_there_stays(tmp_path: Path) -> None:
    draw_secrets.draw(tmp_path)
    before = {file.name: file.read_text() for file in tmp_path.iterdir()}
    (tmp_path / "jwt_secret").unlink()
    draw_secrets.draw(tmp_path)
    after = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert {name for name in after if after[name] != before[name]} == {"jwt_secret"}


def test_the_folder_is_its_owner_s_and_containers_may_read_the_files(tmp_path: Path) -> None:
    draw_secrets.draw(tmp_path / "secrets")
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "secrets").iterdir()} == {0o444}


# The search for secrets


KEYS = {
    "Stripe": "sk_live_{24}",
    "Stripe's webhooks": "whsec_{32}",
    "SendGrid": "SG.{22}.{43}",
    "Telegram": "123456789:{35}",
    "Amazon": "AKIA{16}",
    "age": "AGE-SECRET-KEY-1{58}",
    "private key": "-----BEGIN {0}PRIVATE KEY-----",
    "a password in an address": "postgresql://rdv:{32}@db:5432/rdv",
    "a key in a variable": 'JWT_SECRET = "{40}"',
}


@in_turn("name", KEYS)
def test_a_key_that_looks_real_fails_and_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    drawn = "".join(random.Random(7).choices(sorted({*string.ascii_uppercase, *"234567"} - {*"BIO"}), k=58))
    key = re.sub(r"\{(\d+)\}", lambda many: drawn[: int(many[1])], KEYS[name])
    Path("settings.py").write_text(f"# one\n{key}\n")
    assert main(["settings.py"]) == 1
    shown = capsys.readouterr().out
    assert shown.startswith("settings.py:2: ")
    assert key not in shown
