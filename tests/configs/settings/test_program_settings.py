"""Settings by program: what each needs in production, and which secrets its code reads."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from configs.settings import Program, Settings, SettingsRefused, load
from configs.settings.program_settings import NEEDED, list_allowed, list_needed, list_secrets
from tests.configs.settings.test_settings import PRODUCTION
from tests.in_turn import in_turn

Put = Callable[..., None]
ROOT = Path(__file__).parents[3]
PROGRAMS = get_args(Program)
SECRETS = list_secrets(Settings.model_fields)
# The package of each program's code. The API and the background program share theirs.
CODE = {
    "api": ("api", "background"),
    "crawler": ("crawler", "proofs"),
    "notifier": ("notifier",),
    "deploy/backup": ("backup",),
}
NEEDED_BY = [(program, name) for program in PROGRAMS for name in NEEDED[program] if name != "api_url"]


def given_to(program: str) -> dict[str, str]:
    """Return an environment of production with what a program needs and nothing else."""
    exactly = {name.upper() for name in NEEDED[program]} | {"APP_ENV"}
    return {name: value for name, value in PRODUCTION.items() if name in exactly} | {"PROGRAM": program}


def test_each_program_has_its_settings() -> None:
    assert set(NEEDED) == set(PROGRAMS)
    assert {name for names in NEEDED.values() for name in names} <= set(Settings.model_fields)
    assert set(list_needed(None)) == {name for names in NEEDED.values() for name in names}
    assert len(list_needed(None)) == len(set(list_needed(None)))


@in_turn("program", PROGRAMS)
def test_a_program_starts_with_exactly_what_it_needs(bare: Put, program: str) -> None:
    bare(**given_to(program))
    assert load().program == program


@in_turn("program, name", NEEDED_BY)
def test_a_program_refuses_to_start_without(bare: Put, program: str, name: str) -> None:
    bare(**given_to(program) | {name.upper(): ""})
    with pytest.raises(SettingsRefused) as refused:
        load()
    first, second = str(refused.value).split("\n")
    assert (first, second.partition(":")[0]) == ("settings refused:", f"  {name.upper()} is not set")


@in_turn(
    "program, name, address",
    [
        ("api", "REDIS_URL", "redis://crawler:{}@redis:6379/0"),
        ("crawler", "REDIS_URL", "redis://api:{}@redis:6379/0"),
        ("api", "DATABASE_URL_API", "postgresql://rdvpriority_crawler_1:{}@db/rdv"),
        ("crawler", "DATABASE_URL_CRAWLER", "postgresql://rdvpriority_notifier_12:{}@db/rdv"),
    ],
)
def test_a_program_refuses_the_login_of_another_one(bare: Put, program: str, name: str, address: str) -> None:
    bare(**given_to(program) | {name: address.format(PRODUCTION["JWT_SECRET"])})
    with pytest.raises(SettingsRefused, match=f"{name} has the login of [a-z]+: give {program} its own"):
        load()


def test_half_a_store_s_key_is_refused(bare: Put) -> None:
    bare(**given_to("backup") | {"BACKUP_ACCESS_KEY_ID": "AKIA"})
    with pytest.raises(SettingsRefused, match="BACKUP_SECRET_ACCESS_KEY is not set, BACKUP_ACCESS_KEY_ID is"):
        load()


@in_turn("program", ["backup", "crawler"])
def test_who_sends_no_link_needs_no_address_of_ours(bare: Put, program: str) -> None:
    bare(**given_to(program) | {"API_URL": "http://localhost:4000"})
    assert load().app_env == "production"


def test_who_visits_sites_and_who_makes_backups_can_open_nothing_else() -> None:
    tokens = {
        "jwt_secret",
        "link_key",
        "data_keys",
        "lookup_key",
        "stripe_secret_key",
        "stripe_webhook_secret",
    }
    providers = {"sendgrid_api_key", "twilio_auth_token", "telegram_bot_token", "telegram_webhook_secret"}
    for program in ("backup", "crawler"):
        assert not list_allowed(program) & (tokens | providers)
    assert not list_allowed("background") & {"jwt_secret", "lookup_key", "stripe_webhook_secret"}
    assert not list_allowed("notifier") & {"jwt_secret", "stripe_secret_key", "stripe_webhook_secret"}
    # Twilio signs its calls with the account's token: there is no other.
    assert not list_allowed("api") & (providers - {"telegram_webhook_secret", "twilio_auth_token"})


@in_turn("package", CODE)
def test_a_package_reads_no_secret_that_its_programs_are_not_given(package: str) -> None:
    text = "\n".join(file.read_text("utf-8") for file in (ROOT / package).rglob("*.py"))
    read = {name for name in SECRETS if re.search(rf'settings\(\)\.{name}\b|"{name}"', text)}
    allowed = {name for program in CODE[package] for name in list_allowed(program)}
    assert read <= allowed
