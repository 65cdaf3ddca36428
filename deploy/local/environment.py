"""The environment of a local stack: what a server's operator would write into its .env."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

from configs.ground.push_keys import read_private_key, write_public_key
from configs.settings.common import DatabaseProgram
from deploy.local.ports import StackPorts
from deploy.local.state_dir import kept_secret
from deploy.sandbox.addresses import PUSH, SENDGRID, SMTP, STRIPE, TELEGRAM, TWILIO, TWILIO_CALLS, url
from deploy.sandbox.providers.push import HOST as PUSH_HOST
from deploy.sandbox.providers.receipts import make_public_key

_DRAWN = (
    "JWT_SECRET", "LINK_KEY", "DATA_KEYS", "LOOKUP_KEY", "SCRAPYD_PASSWORD", "SENDGRID_API_KEY", "TWILIO_AUTH_TOKEN",
    "ANTS_TOKEN", "TELEGRAM_WEBHOOK_SECRET",
)  # fmt: skip
_STAND_INS = {
    "sendgrid": SENDGRID, "stripe": STRIPE, "telegram": TELEGRAM, "telegram_link": TELEGRAM, "twilio": TWILIO,
    "twilio_calls": TWILIO_CALLS,
}  # fmt: skip


def sandbox_variables(state: Path, ports: StackPorts, database_url: str, redis_url: str) -> dict[str, str]:
    """Return every variable that the programs of a sandbox stack need.

    Secrets are drawn at the first start and kept under `state`, so that a login outlives a restart.
    """
    mail_password = kept_secret(state / "secrets" / "SMTP_PASSWORD", "sandbox-")
    vapid = kept_secret(state / "secrets" / "VAPID_PRIVATE_KEY")  # 32 bytes in base64url: a key of P-256
    receipts = kept_secret(state / "secrets" / "SENDGRID_RECEIPT_SECRET", "sandbox-")
    return {
        **{name: kept_secret(state / "secrets" / name, "sandbox-") for name in _DRAWN},
        "APP_ENV": "sandbox",
        "STATE_DIR": str(state),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "PORT": str(ports.api),
        "API_URL": f"http://127.0.0.1:{ports.api}",
        "FRONTEND_URL": f"http://127.0.0.1:{ports.api}",
        "LIVE_URL": f"http://127.0.0.1:{ports.live}",
        "METRICS_PORT": str(ports.metrics),
        "SUPPORT_EMAIL": "assistance@example.org",
        "SELLER_NAME": "Exemple de vendeur SAS",
        "SELLER_ADDRESS": "1 rue de l'Exemple, 75001 Paris",
        "SELLER_PHONE": "+33199000000",
        "SELLER_SIREN": "000 000 000",
        "SELLER_REGISTRATION": "SAS au capital de 1 000 €, RCS Paris 000 000 000",
        "PUBLISHER": "Camille Exemple",
        "HOST_COMPANY": "Hébergeur d'exemple, 3 rue de l'Exemple, 75001 Paris, +33199000001",
        "MEDIATOR": "Médiateur d'exemple, 2 rue de l'Exemple, 75001 Paris, https://mediateur.example",
        "PREFECTURES_DIR": str(state / "prefectures"),
        "SENDGRID_RECEIPT_SECRET": receipts,
        "SENDGRID_WEBHOOK_KEY": make_public_key(receipts),
        "STAND_INS": ",".join(f"{name}={url(each, ports.providers)}" for name, each in _STAND_INS.items()),
        "MAIL_PROVIDERS": "sendgrid,smtp",
        "SMTP_URL": url(f"sandbox:{mail_password}@{SMTP}", ports.providers, "smtp"),
        "TWILIO_ACCOUNT_SID": "ACsandbox-0123456789abcdef012345678",
        "TWILIO_PHONE_NUMBER": "RDVPriority",
        "TWILIO_VOICE_NUMBER": "+33162000001",
        "TELEGRAM_BOT_TOKEN": "1234567890:sandbox-telegram-token",
        "TELEGRAM_BOT_NAME": "rdvpriority_bot",
        "TELEGRAM_WEBHOOK_URL": f"http://127.0.0.1:{ports.api}/api/telegram/webhook",
        "VAPID_PRIVATE_KEY": vapid,
        "VAPID_PUBLIC_KEY": write_public_key(read_private_key(vapid)),
        "PUSH_HOSTS": PUSH_HOST,
        # Besides the caller's: real desk files may be asked at stand-ins too.
        "SANDBOX_HOSTS": ",".join(
            filter(None, (os.environ.get("SANDBOX_HOSTS"), f"{PUSH_HOST}={PUSH}:{ports.providers}"))
        ),
        "STRIPE_SECRET_KEY": kept_secret(state / "secrets" / "STRIPE_SECRET_KEY", "sk_test_"),
        "STRIPE_WEBHOOK_SECRET": kept_secret(state / "secrets" / "STRIPE_WEBHOOK_SECRET", "whsec_sandbox-"),
        "STRIPE_PRICE_24H": "price_sandbox_24h",
        "STRIPE_PRICE_7J": "price_sandbox_7j",
        "STRIPE_PRICE_TOTAL": "price_sandbox_total",
        "SCRAPYD_URL": f"http://127.0.0.1:{ports.scrapyd}",
        # A sandbox is watched for minutes: six hours would be too long for a desk without a subscriber.
        "HEARTBEAT_SECONDS": os.environ.get("HEARTBEAT_SECONDS", "60"),
        # A visit sees all counters of a stand-in for as far as its desk looks, so that hours are seen at once.
        "VISIT_REQUESTS": os.environ.get("VISIT_REQUESTS", "48"),
        # Its own site is walked at the first start, and a stand-in needs no ten seconds between two pages.
        "DISCOVERY_DELAY_SECONDS": os.environ.get("DISCOVERY_DELAY_SECONDS", "0.5"),
        "PYTHONUNBUFFERED": "1",
    }


def program_addresses(state: Path, database_url: str) -> dict[DatabaseProgram, str]:
    """Return the database's address for each program: its own login, with a password drawn at the first start."""
    place = urlsplit(database_url)
    server = place.netloc.rpartition("@")[2]
    programs: tuple[DatabaseProgram, ...] = get_args(DatabaseProgram)
    passwords = {each: kept_secret(state / "secrets" / f"DB_PASSWORD_{each.upper()}") for each in programs}
    return {
        each: place._replace(netloc=f"rdvpriority_{each}_1:{password}@{server}").geturl()
        for each, password in passwords.items()
    }


def write_desk_files(source: Path, target: Path, edit: Callable[[str], str]) -> None:
    """Copy the sandbox's desk files, edited: moved to the port that the stand-ins really have."""
    target.mkdir(parents=True, exist_ok=True)
    for stale in target.glob("*.yaml"):
        stale.unlink()
    for file in source.glob("*.yaml"):
        (target / file.name).write_text(edit(file.read_text("utf-8")), "utf-8")
