"""Secrets in files: what is read, and which line each wrong file gets."""

from collections.abc import Callable
from pathlib import Path

import pytest

from configs.settings import SettingsRefused, load
from configs.settings.program_settings import read_secret_files
from tests.configs.settings.test_settings import PRODUCTION
from tests.in_turn import in_turn

Put = Callable[..., None]


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
    assert load().require("jwt_secret") == " of the file"


def test_the_environment_wins_over_a_file_and_a_file_over_dotenv(secrets: Path, bare: Put) -> None:
    (secrets.parent / ".env").write_text("JWT_SECRET=of-dotenv\nLOOKUP_KEY=of-dotenv\nANTS_TOKEN=of-dotenv\n")
    (secrets / "jwt_secret").write_text("of-the-file")
    (secrets / "lookup_key").write_text("of-the-file")
    bare(JWT_SECRET="of-the-environment", SECRETS_DIR=secrets)
    found = [load().require(name) for name in ("jwt_secret", "lookup_key", "ants_token")]
    assert found == ["of-the-environment", "of-the-file", "of-dotenv"]


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
    assert refused() == [f"JWT_SECRET is not set: there is no file {secrets}/jwt_secret"]


@in_turn("content", [b"", b"\n", b" \r\n"])
def test_an_empty_file_is_one_line_that_names_it(secrets: Path, content: bytes) -> None:
    (secrets / "jwt_secret").write_bytes(content)
    assert refused() == [f"JWT_SECRET: {secrets}/jwt_secret is empty: write the secret into it, or remove it"]


@in_turn(
    "content, said",
    [
        (b"\xff\xfe", "not UTF-8"),
        (b"one\ntwo\n", "more than one line"),
        (b"a" * 70_000, "more than one line"),
    ],
)
def test_what_is_no_secret_is_refused_by_name(secrets: Path, content: bytes, said: str) -> None:
    (secrets / "jwt_secret").write_bytes(content)
    (line,) = refused()
    assert line.startswith(f"JWT_SECRET: {secrets}/jwt_secret")
    assert said in line
    assert "one\n" not in line


def test_a_folder_that_is_not_there_is_named(secrets: Path, bare: Put) -> None:
    bare(SECRETS_DIR=secrets / "elsewhere")
    (line,) = refused()
    assert line.startswith(f"SECRETS_DIR: {secrets}/elsewhere cannot be read (No such file or directory)")


@pytest.mark.parametrize("world", ["test", "sandbox"])
def test_tests_and_the_sandbox_read_no_files(secrets: Path, bare: Put, world: str) -> None:
    (secrets / "jwt_secret").touch()
    bare(APP_ENV=world, SECRETS_DIR=secrets)
    assert load().jwt_secret is None


def test_no_error_shows_a_secret(tmp_path: Path) -> None:
    (tmp_path / "jwt_secret").write_text("first-half\nsecond-half\n")
    assert "half" not in str(read_secret_files(tmp_path, {"jwt_secret"}))
