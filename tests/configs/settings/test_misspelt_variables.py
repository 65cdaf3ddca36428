"""Variables with a typing error are named; those of others are not."""

import re
from pathlib import Path

import pytest

from configs.settings import Settings
from configs.settings.misspelt_variables import describe_misspelt

ROOT = Path(__file__).parents[3]
KNOWN = {name.upper() for name in Settings.model_fields}
# What container engines, systemd, Python's and PostgreSQL's images set, and what people set for libraries.
FOREIGN = [
    "AWS_ACCESS_KEY_ID",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "COMPOSE_PROJECT_NAME",
    "CREDENTIALS_DIRECTORY",
    "GPG_KEY",
    "HOSTNAME",
    "HTTPS_PROXY",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "LOGNAME",
    "MEMORY_PRESSURE_WATCH",
    "NOTIFY_SOCKET",
    "NO_PROXY",
    "PG_MAJOR",
    "PGDATA",
    "PYTHON_SHA256",
    "PYTHON_VERSION",
    "RUNTIME_DIRECTORY",
    "SENTRY_ENVIRONMENT",
    "SENTRY_RELEASE",
    "SSL_CERT_FILE",
    "STATE_DIRECTORY",
    "STRIPE_API_KEY",
    "SYSTEMD_EXEC_PID",
    "TMPDIR",
    "VIRTUAL_ENV",
]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Give an environment that is empty."""
    found: dict[str, str] = {}
    monkeypatch.setattr("os.environ", found)
    return found


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("BACKUP_HUOR", "BACKUP_HOUR"),
        ("BACKUP_WAL_SECOND", "BACKUP_WAL_SECONDS"),
        ("backup_recipient", "BACKUP_RECIPIENTS"),
        ("API_ULR", "API_URL"),
        ("TELEGRAM_TOKEN", "TELEGRAM_BOT_TOKEN"),
        ("PROXYHOPS", "PROXY_HOPS"),
    ],
)
def test_a_typing_error_is_named_with_what_is_meant(given: dict[str, str], name: str, meant: str) -> None:
    given[name] = "1"
    assert list(describe_misspelt(KNOWN)) == [
        f"{name.upper()} is no setting and has no effect: is {meant} meant?"
    ]


def test_variables_of_others_and_of_the_deployment_are_left_alone(given: dict[str, str]) -> None:
    files = [
        path
        for path in (ROOT / "deploy").rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc", ".txt"}
    ]
    assert len(files) > 20
    own = {word for path in files for word in re.findall(r"\b[A-Z][A-Z0-9_]{4,}\b", path.read_text("utf-8"))}
    assert {"SERVER_NAME", "ACME_EMAIL", "BACKUP_URL"} <= own
    given.update(dict.fromkeys([*own, *FOREIGN], "1"))
    assert list(describe_misspelt(KNOWN)) == []
