"""The search for secrets: keys that look real are found, words of tests are not."""

import secrets
import string
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.secret_scan.__main__ import find_secrets, list_files, main, scan
from deploy.secret_scan.rules import MARK


def draw(count: int, letters: str = string.ascii_letters + string.digits) -> str:
    """Return random characters; all kinds of them are among them."""
    drawn = "".join(secrets.choice(letters) for _ in range(count - 3))
    return f"{drawn[:5]}aZ7{drawn[5:]}"


REAL: dict[str, Callable[[], str]] = {
    "Stripe": lambda: f'client = StripeClient("sk_live_{draw(24)}")',
    "Stripe, restricted": lambda: f"key: rk_live_{draw(40)}",
    "Stripe's webhooks": lambda: f"curl -d whsec_{draw(32)} http://127.0.0.1",
    "SendGrid": lambda: f"key: SG.{draw(22)}.{draw(43)}",
    "Twilio": lambda: f'TWILIO_AUTH_TOKEN = "SK{draw(32, "0123456789abcdef").lower()[:32]}"',
    "Telegram": lambda: f"https://api.telegram.org/bot123456789:{draw(35)}/getMe",
    "Amazon": lambda: f'key = "AKIA{draw(16, string.ascii_uppercase + string.digits).upper()}"',
    "GitHub": lambda: f"git clone https://ghp_{draw(36)}@github.com/a/b",
    "age": lambda: f"AGE-SECRET-KEY-1{'Q' * 29}{'7' * 29}",
    "private key": lambda: "-----BEGIN PRIVATE " + "KEY-----",
    "a password in an address": lambda: f"DATABASE_URL=postgresql://rdv:{draw(32)}@db:5432/rdv",
    "a key in a variable": lambda: f'JWT_SECRET = "{secrets.token_urlsafe(46)}7"',
    "a key in YAML": lambda: f"jwt_secret: {draw(40)}",
    "a password of letters": lambda: f'password = "{draw(32, string.ascii_letters)}"',
    "hexadecimal digits": lambda: f'token = "{secrets.token_hex(24)}"',
}
STAND_INS = (
    'password = "correct horse battery"',
    'JWT_SECRET="0123456789abcdef-0123456789abcdef-tests"',
    'SENDGRID_API_KEY="SG.tests"',
    '"STRIPE_SECRET_KEY": "sk_test_tests"',
    'DATABASE_URL="postgresql://rdv:p%40ss@db/rdv"',
    "postgresql://user:password@host:5432/name",
    'SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"',
    'secret = settings().require("jwt_secret")',
    'password = "velours-cactus-7-marée"',
    "API_KEY: ${API_KEY:?is not set}",
    'recipients = "age1' + "q" * 58 + '"',
)


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        (name, suffix)
        for name in REAL
        for suffix in ("py", "yaml", "md")
        if (name, suffix) != ("a key in YAML", "py")
    ],
)
def test_a_key_that_looks_real_fails_and_is_not_shown(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    suffix: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    line = REAL[name]()
    file = tmp_path / f"settings.{suffix}"
    file.write_text(f"# one\n{line}\n")
    assert main([str(file)]) == 1
    shown = capsys.readouterr().out
    assert shown.startswith(f"{file}:2: ")
    assert max(line.split(), key=len).strip('"') not in shown


@pytest.mark.parametrize("line", STAND_INS)
def test_words_of_tests_and_examples_are_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "example.py").write_text(f"{line}\n")
    assert main(["example.py"]) == 0


def test_a_line_may_be_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    line = REAL["a key in a variable"]()
    (tmp_path / "example.py").write_text(f"{line}  # {MARK} -- made for this test\n{line}x\n")
    assert {each.split(":")[1] for each in scan(["example.py"])} == {"2"}


def test_a_file_is_read_once_and_again_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    read: list[str] = []

    def find(files: list[str]) -> dict[str, list[str]]:
        read.extend(files)
        return find_secrets(files)

    monkeypatch.setattr("deploy.secret_scan.__main__.find_secrets", find)
    file, clean = tmp_path / "a.py", tmp_path / "clean.json"
    for text, findings, times in (
        ("x = 1", 0, 1),
        ("x = 1", 0, 1),
        (REAL["Stripe"](), 1, 2),
        (REAL["age"](), 1, 3),
    ):
        file.write_text(text)
        assert (len(scan(["a.py"], clean)), len(read)) == (findings, times)
    assert len(scan(["a.py"], clean)) == 1  # a finding stays one
    clean.write_text("{")
    assert len(scan(["a.py"], clean)) == 1


def test_the_mark_stands_in_few_lines() -> None:
    """Each has a reason; a rule is better than many of them."""
    marked = [
        f"{file}: {line.strip()}"
        for file in list_files()
        if file.endswith((".py", ".yaml", ".md")) and "secret_scan" not in file and Path(file).is_file()
        for line in Path(file).read_text("utf-8", "replace").splitlines()
        if MARK in line
    ]
    assert len(marked) <= 5, marked
