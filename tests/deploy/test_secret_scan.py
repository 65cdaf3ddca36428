"""The search for secrets: keys that look real are found, words of tests are not."""

import secrets
import string
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.secret_scan.__main__ import main, scan
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


@pytest.mark.parametrize("name", REAL)
def test_a_key_that_looks_real_fails_and_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    line = REAL[name]()
    file = tmp_path / f"settings.{'yaml' if 'YAML' in name else 'py'}"
    file.write_text(f"# one\n{line}\n")
    assert main([str(file)]) == 1
    shown = capsys.readouterr().out
    assert shown.startswith(f"{file}:2: ")
    assert max(line.split(), key=len).strip('"') not in shown


def test_words_of_tests_and_examples_are_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "example.py").write_text("\n".join(STAND_INS))
    assert main(["example.py"]) == 0


def test_a_line_may_be_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    line = REAL["a key in a variable"]()
    (tmp_path / "example.py").write_text(f"{line}  # {MARK} -- made for this test\n{line}x\n")
    assert {each.split(":")[1] for each in scan(["example.py"])} == {"2"}
