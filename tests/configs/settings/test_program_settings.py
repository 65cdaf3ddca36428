"""Settings by program: what each needs in production, which secrets its code reads, and how they are read from files."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from configs.settings import Settings, SettingsRefused, load
from configs.settings.common import Program
from configs.settings.program_settings import (
    NEEDED,
    list_allowed,
    list_secrets,
)
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
    named = f"{name}_{program}" if name == "database_url" else name  # the file that the server hands to it
    assert (first, second.partition(":")[0]) == ("settings refused:", f"  {named.upper()} is not set")


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


# Secrets in files: what is read, and which line each wrong file gets


@pytest.fixture
def secrets(bare: Put, tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    bare(SECRETS_DIR=folder, APP_ENV="development")
    return folder


def refused() -> list[str]:
    with pytest.raises(SettingsRefused) as caught:
        load()
    return str(caught.value).split("\n  ")[1:]


@pytest.mark.parametrize("name", ["jwt_secret", "JWT_SECRET"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_secret_is_its_file_s_line(secrets: Path, name: str, end: str) -> None:
    (secrets / name).write_bytes(f" of the file{end}".encode())
    assert load().require("jwt_secret") == "of the file"


def test_the_environment_wins_over_dotenv_and_dotenv_over_a_file(secrets: Path, bare: Put) -> None:
    (secrets.parent / ".env").write_text("JWT_SECRET=of-dotenv\nLOOKUP_KEY=of-dotenv\n")
    for name in ("jwt_secret", "lookup_key", "ants_token"):
        (secrets / name).write_text("of-the-file")
    bare(JWT_SECRET="of-the-environment", SECRETS_DIR=secrets)
    found = [load().require(name) for name in ("jwt_secret", "lookup_key", "ants_token")]
    assert found == ["of-the-environment", "of-dotenv", "of-the-file"]


def test_production_starts_with_all_its_secrets_in_files(secrets: Path, bare: Put) -> None:
    for name in PRODUCTION.keys() - {"APP_ENV"}:
        (secrets / name.lower()).write_text(PRODUCTION[name] + "\n")
        bare(**{name: ""})
    bare(APP_ENV="production", SECRETS_DIR=secrets)
    assert load().require("database_url") == PRODUCTION["DATABASE_URL"]


EXPOSED = (
    "is in the environment: take it out of there and write it into its file, because production reads secrets"
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JWT_SECRET", PRODUCTION["JWT_SECRET"]),
        ("PROXY_LIST", "http://ann:sesame@proxy.example:3128"),
        ("REDIS_URL_API", PRODUCTION["REDIS_URL"]),
    ],
)
def test_production_refuses_a_secret_in_the_environment(
    secrets: Path, bare: Put, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    bare(**PRODUCTION | {"SECRETS_DIR": secrets})
    monkeypatch.setenv(name, value)
    assert refused() == [f"{name} {EXPOSED} from files of SECRETS_DIR alone"]


def test_production_refuses_a_secret_in_dotenv(secrets: Path, bare: Put) -> None:
    bare(**PRODUCTION | {"SECRETS_DIR": secrets})
    (secrets.parent / ".env").write_text(f"JWT_SECRET={PRODUCTION['JWT_SECRET']}\n")
    assert refused() == [f"JWT_SECRET {EXPOSED} from files of SECRETS_DIR alone"]


@pytest.mark.parametrize("content", [b"", b"\n"])
def test_a_key_of_an_account_that_a_server_has_not_may_be_empty(
    secrets: Path, bare: Put, content: bytes
) -> None:
    for name in ("sendgrid_api_key", "backup_secret_access_key"):
        (secrets / name).write_bytes(content)
    smtp = {"MAIL_PROVIDERS": "smtp", "SMTP_URL": "smtps://rdv:neuf-lampes-vertes@mail.example:465"}
    bare(**PRODUCTION | {"SENDGRID_API_KEY": "", "SENDGRID_WEBHOOK_KEY": "", "SECRETS_DIR": secrets} | smtp)
    assert load().sendgrid_api_key is None


def test_a_missing_file_is_one_line_that_names_it(secrets: Path, bare: Put) -> None:
    bare(**PRODUCTION | {"JWT_SECRET": "", "SECRETS_DIR": secrets})
    assert refused() == [f"JWT_SECRET is not set: write it into {secrets}/jwt_secret"]


def test_a_file_that_is_no_text_is_refused_in_one_line(secrets: Path) -> None:
    (secrets / "jwt_secret").write_bytes(b"\xff\xfe")
    (line,) = refused()
    assert 'for field "jwt_secret" from source "SecretsSettingsSource" (\'utf-8\' codec' in line


def test_what_is_there_and_no_file_of_the_folder_is_refused_in_one_line(
    secrets: Path, bare: Put, tmp_path: Path
) -> None:
    (secrets / "proxy_list").mkdir()  # as Docker makes one where the file is missing
    (line,) = refused()
    assert 'for field "proxy_list"' in line
    assert "found a directory instead" in line
    (secrets / "proxy_list").rmdir()
    (tmp_path / "outside").write_text("http://u:p@192.0.2.1:3128")
    (secrets / "proxy_list").symlink_to(tmp_path / "outside")
    (line,) = refused()
    assert 'for field "proxy_list"' in line
    assert "resolves outside of" in line
    bare(SECRETS_DIR=secrets / "elsewhere")
    (line,) = refused()
    assert f'"{secrets}/elsewhere" does not exist' in line


def test_a_file_in_place_of_the_folder_is_refused_in_one_line(secrets: Path, bare: Put) -> None:
    (secrets / "file").touch()
    bare(SECRETS_DIR=secrets / "file")
    (line,) = refused()
    assert "must reference a directory" in line


def test_an_empty_file_is_named_in_production(secrets: Path, bare: Put) -> None:
    (secrets / "jwt_secret").write_bytes(b"\n")
    bare(**PRODUCTION | {"JWT_SECRET": "", "SECRETS_DIR": secrets})
    assert refused() == [f"JWT_SECRET is not set: write it into {secrets}/jwt_secret"]
