"""The environment: what is read from where, and what is refused in which world."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from configs.settings import SettingMissing, Settings, SettingsRefused, load
from configs.world.desk import find_step_gap
from deploy.sandbox.providers.receipts import make_public_key
from tests.in_turn import in_turn

Put = Callable[..., None]
STRONG = "q8Zr2LmX0vTbN5kYw7Hc4JdPs9GfUa1E"  # pragma: allowlist secret -- random enough for production, used nowhere
PRODUCTION = {
    "APP_ENV": "production",
    "DATABASE_URL": f"postgresql://rdv:{STRONG}@db:5432/rdv",
    "REDIS_URL": f"redis://:{STRONG}@redis:6379/0",
    "PROXY_HOPS": "0",
    "JWT_SECRET": STRONG,
    "LINK_KEY": "links-" + STRONG,
    "DATA_KEYS": "data-" + STRONG,
    "LOOKUP_KEY": "lookup-" + STRONG,
    "STRIPE_SECRET_KEY": "sk_live_" + STRONG,
    "STRIPE_WEBHOOK_SECRET": "whsec_" + STRONG,
    "SENDGRID_API_KEY": "SG." + STRONG,
    "SENDGRID_WEBHOOK_KEY": make_public_key("tests"),
    "TWILIO_ACCOUNT_SID": "AC0123456789abcdef",
    "SUPPORT_EMAIL": "aide@rdvpriority.fr",
    "SELLER_NAME": "RDVPriority SAS",
    "SELLER_ADDRESS": "1 rue de la Paix, 75002 Paris",
    "SELLER_PHONE": "01 62 00 00 00",
    "SELLER_SIREN": "123 456 789",
    "SELLER_REGISTRATION": "SAS au capital de 1 000 €, RCS Paris 123 456 789",
    "PUBLISHER": "Camille Martin",
    "HOST_COMPANY": "Hébergeur SAS, 2 rue de la Paix, 75002 Paris, 01 62 00 00 01",
    "BACKUP_URL": "/backups",
    "BACKUP_RECIPIENTS": "age1zpjuf254leve0ngnuvy278dvrfsatgfq8px6qzwahxcf4dfq4s9qkdle9a",
    "MEDIATOR": "Médiateur, 1 rue du Droit, 75001 Paris, https://mediateur.fr",
    "TWILIO_AUTH_TOKEN": STRONG,
    "TWILIO_PHONE_NUMBER": "RDVPriority",
    "TELEGRAM_BOT_TOKEN": "123456:" + STRONG,
    "TELEGRAM_BOT_NAME": "rdvpriority_bot",
    "TELEGRAM_WEBHOOK_SECRET": STRONG,
    "SCRAPYD_PASSWORD": STRONG,
    "API_URL": "https://api.rdvpriority.fr",
    "FRONTEND_URL": "https://rdvpriority.fr",
}
SECRETS = [
    name.upper() for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)
]


def _refused(**overrides: Any) -> str:
    with pytest.raises(SettingsRefused) as caught:
        load(**overrides)
    return str(caught.value)


def _told_by_pydantic() -> str:
    try:
        return str(Settings())
    except ValidationError as error:
        return str(error)


def test_an_empty_environment_is_development_on_loopback(bare: Put) -> None:
    assert load().app_env == "development"
    assert load().loopback_only
    assert load().port == 4000
    assert load().email_from == "RDVPriority <alerte@rdvpriority.fr>"


@pytest.mark.parametrize("given_name", ["PORT", "port"])
def test_the_environment_is_read(bare: Put, monkeypatch: pytest.MonkeyPatch, given_name: str) -> None:
    monkeypatch.setenv(given_name, "4999")
    assert load().port == 4999


@in_turn(
    "given, port, secret",
    [
        ({}, 4111, "from-the-file"),
        ({"APP_ENV": "development", "PORT": "4222"}, 4222, "from-the-file"),
        ({"APP_ENV": "test"}, 4000, None),  # a developer's .env is not theirs
        ({"APP_ENV": "sandbox"}, 4000, None),
        (PRODUCTION | {"PORT": ""}, 4111, STRONG),
    ],
)
def test_dotenv_is_read_by_developers_and_production(
    bare: Put, tmp_path: Path, given: dict[str, str], port: int, secret: str | None
) -> None:
    in_file = "" if "JWT_SECRET" in given else "JWT_SECRET=from-the-file\n"
    (tmp_path / ".env").write_text(f"PORT=4111\n{in_file}")
    bare(**given)
    found = load().jwt_secret
    assert (load().port, found and found.get_secret_value()) == (port, secret)


@in_turn(
    "name, value, said",
    [
        ("PORT", "x", "valid integer"),
        ("PORT", "70000", "less than or equal to 65535"),
        ("APP_ENV", "prod", "'production', 'development', 'sandbox' or 'test'"),
        ("API_URL", "rdvpriority.fr", "valid URL"),
        ("API_URL", "ftp://rdvpriority.fr", "URL scheme should be 'http' or 'https'"),
        ("EMAIL_FROM", "RDVPriority", "not an e-mail address"),
        ("EMAIL_FROM", "a <a@example.fr>\nBcc: b@example.fr", "control character"),
        ("DATABASE_URL", "mysql://h/db", "must begin with postgresql://"),
        ("REDIS_URL", "http://h/0", "must begin with redis://"),
        ("JWT_EXPIRES_IN", "soon", "e.g. 7d"),
        ("JWT_EXPIRES_IN", "999999999d", "ten years at most"),
        ("JWT_EXPIRES_IN", "٣d", "e.g. 7d"),
        ("BCRYPT_COST", "31", "less than or equal to 16"),
        ("TWILIO_PHONE_NUMBER", "RDVPriority SAS", "no sender of SMS"),
        ("TWILIO_VOICE_NUMBER", "+33644600000", "may not come from a French mobile number"),
        ("CALL_PRICE", "BE=0.10", "has no price of all other countries"),
        ("SMS_PRICE", "BE=0.10", "has no price of all other countries"),
        ("SMS_PRICE", "0.08,XX=0.10", "names no country: XX"),
        ("SMS_PRICE", "0.08,BE=cheap", "valid decimal"),
        ("SMS_PRICE", "-1", "greater than or equal to 0"),
        ("SMS_PRICE", "11", "less than or equal to 10"),
        ("SMS_PRICE", "NaN", "finite number"),
        ("SMS_DAY_STOP", "0", "greater than 0"),
        ("LEDGER_ACCOUNTS", "clients=411000", "has no sales, vat"),
        ("SMS_COUNTRIES", "BE,XX", "names no country: XX"),
        ("TELEGRAM_BOT_NAME", "@rdv bot", "should match"),
        ("STAND_INS", "paypal=http://127.0.0.1:9", "names no provider"),
        ("STAND_INS", "stripe=127.0.0.1:9", "valid URL"),
        ("ALLOW_LIVE_SITES", "perhaps", "valid boolean"),
        ("SELLER_NAME", "   ", "at least 1 character"),
        ("SELLER_ADDRESS", "1 rue\n75001 Paris", "should match pattern"),
        ("MEDIATOR", "Le médiateur, https://mediateur.example", "name, postal address, https://site"),
        ("HOST_COMPANY", "x, " * 200 + "+33199000001", "at most 500 characters"),
        ("PROXY_LIST", "proxy.example.com:3128", "write it as http://user:password@host:port"),
        ("PROXY_LIST", "http://a:1,http://b:99999", "entry 2 is no proxy's address"),
        ("PROXY_LIST", "http://us er:sesame@a:1", "entry 1 is no proxy's address"),
        ("PROXY_LIST", "http://ann:se\\same@a:1", "entry 1 is no proxy's address"),
        ("PROXY_LIST", "http://ann:sesam%E2%82%AC@a:1", "entry 1 is no proxy's address"),
        ("PROXY_LIST", "http://b:1,http://[:::]:1", "entry 2 is no proxy's address"),
        ("PROXY_LIST", "http://a..b:1", "entry 1 is no proxy's address"),
        ("PROXY_LIST", "socks5://ann:sesame@a:1080", "entry 1 is no proxy's address"),
        ("PROXY_LIST", "http://ann:sesame@a:1/path", "entry 1 is no proxy's address"),
        ("SMTP_URL", "mail.example:465", ""),
        ("SMTP_URL", "smtp://mail.example:port", ""),
        ("SMTP_URL", "smtp://rdv:pass#word@mail.example", ""),
        ("SMTP_URL", "smtp://rdv@mail.example", ""),
        ("SMTP_URL", "smtp://rdv:word@mail.example:70000", ""),
        ("SMTP_URL", "smtp://rdv:p%C3%A9@mail.example", ""),
        ("SELLER_PHONE", "0899 12 34 56", "no ordinary phone number"),
        ("SELLER_PHONE", "TODO", "no phone number"),
        ("SELLER_SIREN", "12", "nine digits"),
        ("SELLER_NAME", "Anne\u2028Durand", "should match"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_a whsec_b", "begin with whsec_"),
        ("STRIPE_WEBHOOK_SECRET", "sk_test_of_another_kind", "begin with whsec_"),
        ("TELEGRAM_WEBHOOK_SECRET", "a+b/c=", "Telegram takes"),
        ("MAIL_PROVIDERS", "sendgrid,resend", "'sendgrid' or 'smtp'"),
        ("VAPID_PRIVATE_KEY", "é", "is not base64url"),
        ("VAPID_PRIVATE_KEY", "A" * 43, ""),  # zero is no key
        ("VAPID_PUBLIC_KEY", "A" * 87, ""),
        ("PUSH_HOSTS", "*.com", "is no name of a host"),
        ("PUSH_HOSTS", "10.0.0.1", "is no name of a host"),
        ("PUSH_HOSTS", "https://x.org", "is no name of a host"),
        ("SANDBOX_HOSTS", "a.fr", "stand-ins live on loopback"),
        ("SANDBOX_HOSTS", "a.fr=10.0.0.1:80", "stand-ins live on loopback"),
        ("SANDBOX_HOSTS", "127.0.0.1:80", "at least 1 character"),
        ("SCRAPYD_URL", "https://10.0.0.2:6800", "scrapyd speaks http only"),
        ("TEST_PERIODS", "soon", ""),
        ("TEST_PERIODS", '{"SWEEP_SECONDS": "soon"}', ""),
    ],
)
def test_a_wrong_variable_is_named_with_what_to_do(bare: Put, name: str, value: str, said: str) -> None:
    bare(**{name: value})
    told = _refused()
    line = told.split("\n")[1]
    assert line.startswith((f"  {name}: ", f"  {name}."))
    assert said in line
    assert not re.search("sesame|pass(?!word)", told)  # of an address


def test_all_wrong_variables_are_named_at_once(bare: Put) -> None:
    bare(PORT="x", LOG_LEVEL="loud", API_URL="y", SANDBOX_HOSTS="z")
    lines = _refused().split("\n")
    assert sorted(line.split(":")[0].strip() for line in lines[1:]) == [
        "API_URL",
        "LOG_LEVEL",
        "PORT",
        "SANDBOX_HOSTS",
    ]


def test_production_starts_with_what_it_needs(bare: Put) -> None:
    bare(**PRODUCTION)
    assert load().app_env == "production"
    assert not load().loopback_only


@pytest.mark.rule("3.10")
def test_production_names_all_missing_secrets_and_wrong_values_at_once(bare: Put) -> None:
    bare(APP_ENV="production")
    told = _refused()
    missing = set(PRODUCTION) - {"APP_ENV", "API_URL", "FRONTEND_URL"}
    assert {line.split()[0] for line in told.split("\n") if "is not set" in line} == missing
    assert "API_URL is not https" in told


@in_turn(
    "name, value, said",
    [
        ("JWT_SECRET", "short-secret-26-characters", "JWT_SECRET is shorter than 32 bytes"),
        ("JWT_SECRET", "a" * 40, "JWT_SECRET can be guessed"),
        ("JWT_SECRET_PREVIOUS", "short-secret-26-characters", "JWT_SECRET_PREVIOUS is shorter than 32 bytes"),
        ("JWT_SECRET", "changeme" + STRONG, "JWT_SECRET can be guessed"),
        ("DATA_KEYS", f"data-{STRONG},short", "DATA_KEYS is shorter than 32 bytes"),
        ("DATA_KEYS", " , ", "DATA_KEYS is not set"),
        ("LOOKUP_KEY", f"lookup-{STRONG}, {'a' * 40}", "LOOKUP_KEY can be guessed"),
        ("LINK_KEY", "short-secret-26-characters", "LINK_KEY is shorter than 32 bytes"),
        ("LINK_KEY", f"links-{STRONG},{STRONG}", "LINK_KEY has a value of JWT_SECRET: draw one of its own"),
        ("DATA_KEYS", f"links-{STRONG}", "DATA_KEYS has a value of LINK_KEY: draw one of its own"),
        ("SCRAPYD_PASSWORD", "scrapyd", "SCRAPYD_PASSWORD is shorter than 16 bytes"),
        ("DB_PASSWORD", "postgres", "DB_PASSWORD is shorter than 16 bytes"),
        ("REDIS_PASSWORD", "password-password", "REDIS_PASSWORD can be guessed"),
        ("SENDGRID_API_KEY", "SG.x", "SENDGRID_API_KEY is shorter than 16 bytes"),
        ("DATABASE_URL", "postgresql://rdv:rdv@db/rdv", "the password in DATABASE_URL is shorter than 16"),
        ("DATABASE_URL_API", "postgres://a:password%20password@db/x", "DATABASE_URL_API can be guessed"),
        ("DATABASE_URL", "postgresql://u:p@[db/rdv", "the password in DATABASE_URL is shorter than 16"),
        ("REDIS_URL", "redis://:x@redis:6379/0", "the password in REDIS_URL is shorter than 16"),
        ("SMTP_URL", "smtps://rdv:secret@mail.example", "the password in SMTP_URL is shorter than 16"),
        ("BCRYPT_COST", "10", "BCRYPT_COST is below 12"),
        ("STRIPE_SECRET_KEY", "sk_test_" + STRONG, "STRIPE_SECRET_KEY is no live key"),
        ("STAND_INS", "stripe=http://127.0.0.1:9", "STAND_INS: stripe is not https"),
        ("LIVE_URL", "http://live.rdvpriority.fr", "LIVE_URL is not https"),
        ("JWT_SECRET", "sandbox-" + STRONG, "JWT_SECRET holds a sandbox value"),
        ("SANDBOX_HOSTS", "x.fr=127.0.0.1:1", "SANDBOX_HOSTS works only with APP_ENV=sandbox"),
        ("SELLER_NAME", "Exemple de vendeur SAS", "SELLER_NAME is a sample"),
        ("TWILIO_PHONE_NUMBER", "+33 7 56 78 12 34", "TWILIO_PHONE_NUMBER is a French mobile number"),
        ("TWILIO_PHONE_NUMBER", "+262692123456", "TWILIO_PHONE_NUMBER is a French mobile number"),
        ("DATABASE_URL_API", f"postgresql://rdv:{STRONG}@192.0.2.7/rdv", "without sslmode=verify-full"),
        ("DATABASE_URL_API", f"postgresql://rdv:{STRONG}@a.fr/rdv?sslmode=require", "without sslmode="),
        ("DATABASE_URL_API", f"postgresql://rdv:{STRONG}@/rdv?host=db.example.org", "without sslmode="),
    ],
)
def test_production_refuses_what_is_weak_or_of_the_sandbox(
    bare: Put, name: str, value: str, said: str
) -> None:
    bare(**(PRODUCTION | {name: value}))
    told = _refused()
    assert said in told
    assert told.count("\n") == 1


@in_turn(
    "place",
    [
        "@db.example.org/rdv?sslmode=verify-full&sslrootcert=/ca.pem",
        "@127.0.0.1/rdv",
        "@[::1]/rdv",
        "@postgres/rdv",
    ],
)
def test_production_takes_a_database_that_is_verified_or_here(bare: Put, place: str) -> None:
    bare(**PRODUCTION | {"DATABASE_URL_API": f"postgresql://rdv:{STRONG}{place}"})
    assert load().app_env == "production"


@pytest.mark.parametrize("world", ["production", "development"])
def test_no_real_program_starts_with_changed_constants(
    bare: Put, monkeypatch: pytest.MonkeyPatch, world: str
) -> None:
    bare(APP_ENV=world)
    monkeypatch.setenv("TEST_PERIODS", '{"SWEEP_SECONDS": 1}')
    assert "TEST_PERIODS works only with APP_ENV=sandbox" in _refused()


def test_sandbox_values_work_only_in_the_sandbox(bare: Put) -> None:
    values = {"JWT_SECRET": "sandbox-secret", "SANDBOX_HOSTS": "x.fr=127.0.0.1:1, y.fr=localhost:9 ,"}
    bare(APP_ENV="sandbox", **values)
    assert load().sandbox_hosts == {"x.fr": "127.0.0.1:1", "y.fr": "localhost:9"}
    bare(APP_ENV="development", **values)
    told = _refused()
    assert "JWT_SECRET holds a sandbox value, which works only with APP_ENV=sandbox" in told
    assert "SANDBOX_HOSTS works only with APP_ENV=sandbox" in told


@in_turn(
    "world, allowed, expected",
    [
        ("development", "false", True),
        ("development", "true", False),
        ("sandbox", "true", True),
        ("test", "true", True),
    ],
)
def test_only_development_may_be_allowed_to_leave_loopback(
    bare: Put, world: str, allowed: str, *, expected: bool
) -> None:
    bare(APP_ENV=world, ALLOW_LIVE_SITES=allowed)
    assert load().loopback_only is expected


def test_require_gives_text_or_names_the_variable(bare: Put) -> None:
    assert load(jwt_secret="abc").require("jwt_secret") == "abc"
    assert load().require("api_url") == "http://localhost:4000"
    with pytest.raises(SettingMissing, match="JWT_SECRET is not set"):
        load().require("jwt_secret")


@in_turn("world", ["production", "development", "test"])
def test_a_secret_shows_in_no_repr_and_no_error(bare: Put, world: str) -> None:
    """All are set at once, each to a word of its own; then those alone that the world takes."""
    words = {name: f"sandbox-hunter-{number}-" for number, name in enumerate(SECRETS)}
    urls = {"REDIS_URL": "redis://", **{name: "postgresql://" for name in SECRETS if "DATABASE" in name}}
    shown = list[str]()

    def show(**values: str) -> None:
        bare(APP_ENV=world, **values)
        shown.append(_told_by_pydantic())
        try:
            shown.append(repr(load()) + str(load()))
        except SettingsRefused as error:
            shown.append(str(error) + repr(error) + repr(error.__cause__))

    show(**{name: f"wrong://{word}@[x" for name, word in words.items()})
    fair = {name: f"{urls.get(name, '')}{word}" for name, word in words.items()}
    show(**fair)
    show(**{name: value for name, value in fair.items() if name not in shown[-1]})
    assert world != "test" or "Settings(" in shown[-1]
    assert [name for name, word in words.items() if word in "".join(shown)] == []


@in_turn(
    "variables, seconds",
    [
        (PRODUCTION, 3),
        ({"APP_ENV": "development"}, 0),
        ({"APP_ENV": "development", "ALLOW_LIVE_SITES": "true"}, 3),
        ({"APP_ENV": "sandbox"}, 0),
    ],
)
def test_real_sites_are_asked_at_a_persons_pace_and_stand_ins_at_once(
    bare: Put, variables: dict[str, str], seconds: float
) -> None:
    bare(**variables)
    assert find_step_gap() == seconds
