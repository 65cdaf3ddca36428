"""Files of a server in production: settings.env, a file per secret, desk files, certificates."""

import secrets
import shutil
from pathlib import Path

from deploy import draw_secrets
from deploy.backup.encryption import make_key
from deploy.drill.authority import Authority, found_authority
from deploy.local.environment import write_desk_files
from deploy.sample_desk_files import only
from deploy.sandbox.receipts.signatures import make_public_key
from tests.lab.bench.latency import hasty

NAME = "rdv.example.org"  # what people call the server by
PROVIDERS_PORT = 8443  # nginx has 443 on all addresses
_DEPLOY = Path(__file__).resolve().parents[1]
_DESKS = "/etc/rdvpriority/prefectures"

# Names of the providers, and the addresses that they get here.
PROVIDERS = {
    "api.sendgrid.com": "127.79.0.1",
    "api.twilio.com": "127.79.0.2",
    "api.telegram.org": "127.79.0.3",
    "api.stripe.com": "127.79.0.4",
}
MAIL_SERVER, MAIL_ADDRESS, MAIL_PORT = "smtp.example.org", "127.79.0.5", 8465
RECEIPT_SECRET = "drill"  # noqa: S105 -- of the stand-in, which makes its key of it
_SETTINGS = {
    "SERVER_NAME": NAME,
    "API_URL": f"https://{NAME}",
    "SUPPORT_EMAIL": f"aide@{NAME}",
    "SENDGRID_WEBHOOK_KEY": make_public_key(RECEIPT_SECRET),
    "TWILIO_ACCOUNT_SID": "AC0123456789abcdef0123456789abcdef",
    "TWILIO_PHONE_NUMBER": "RDVPriority",
    "TELEGRAM_BOT_NAME": "rdvpriority_bot",
    "TELEGRAM_WEBHOOK_URL": f"https://{NAME}/api/telegram/webhook",
    "BACKUP_URL": "/var/lib/rdvpriority/store",
    "SELLER_NAME": "Vendeur de l'exercice SAS",
    "SELLER_ADDRESS": "1 rue de l'Exercice, 75001 Paris",
    "SELLER_PHONE": "+33162000000",
    "SELLER_SIREN": "123 456 789",
    "SELLER_REGISTRATION": "SAS au capital de 1 000 €, RCS Paris 123 456 789",
    "PUBLISHER": "Camille Martin",
    "HOST_COMPANY": "Hébergeur, 3 rue de l'Exercice, 75001 Paris, +33162000001",
    "MEDIATOR": "Médiateur, 2 rue de l'Exercice, 75001 Paris, https://mediateur.invalid",
}
# What the example leaves out, because a real server has no stand-ins: where they are, and that prefectures' own
# sites cannot be walked.
_STAND_INS = {
    "STAND_INS": ",".join(
        f"{name}=https://{host}:{PROVIDERS_PORT}"
        for name, host in (
            ("sendgrid", "api.sendgrid.com"),
            ("twilio", "api.twilio.com"),
            ("telegram", "api.telegram.org"),
            ("stripe", "api.stripe.com"),
        )
    ),
    "PREFECTURES_DIR": _DESKS,
    "MAIL_PROVIDERS": "sendgrid,smtp",
    "DISCOVERY_PROCESSES": "0",
    "BACKUP_WAL_SECONDS": "2",
}
_GIVEN_FIRST = {
    "stripe_secret_key": "sk_live_",
    "stripe_webhook_secret": "whsec_",
    "sendgrid_api_key": "SG.",
    "telegram_bot_token": "1234567890:",
}


def write_settings() -> dict[str, str]:
    """Return what settings.env holds: each name of its example, and where the stand-ins are."""
    example = (_DEPLOY / "compose" / "settings.env.example").read_text("utf-8").splitlines()
    names = [line.partition("=")[0] for line in example if line and not line.startswith("#")]
    _, recipient = make_key()
    values = _SETTINGS | {"BACKUP_RECIPIENTS": recipient}
    return {name: values[name] for name in names if name in values} | _STAND_INS


def write_secrets(folder: Path) -> None:
    """Draw the secrets of a new server, and fill in what accounts elsewhere would give."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in draw_secrets.draw(folder):
        write_secret(folder / name, _GIVEN_FIRST.get(name, "") + secrets.token_urlsafe(32))
    password = secrets.token_urlsafe(32)
    write_secret(folder / "smtp_url", f"smtps://drill:{password}@{MAIL_SERVER}:{MAIL_PORT}")


def write_secret(file: Path, text: str) -> None:
    """Write a secret in place of the one that is there, as deploy/draw_secrets.py does."""
    file.unlink(missing_ok=True)
    file.write_text(f"{text}\n")
    file.chmod(0o444)


def read_secret(folder: Path, name: str) -> str:
    """Return a secret of the server."""
    return (folder / name).read_text("utf-8").strip()


def write_desks(folder: Path) -> None:
    """Write desk files whose pages are stand-ins: one desk that is due each second, of one booking system."""
    source = _DEPLOY / "sandbox" / "prefectures"
    write_desk_files(source, folder, lambda text: only("ezbooking", hasty(text)))


def list_trusted(environment: Path) -> list[Path]:
    """Return the lists of public authorities within an environment: ours is laid over them."""
    lists = ("certifi/cacert.pem", "stripe/data/ca-certificates.crt")
    found = [file for name in lists for file in environment.glob(f"lib/python3*/site-packages/{name}")]
    return [file.relative_to(environment) for file in found]


def make_certificates(folder: Path) -> Authority:
    """Make an authority, and a certificate of the server's name in `tls`."""
    authority = found_authority(folder / "authority")
    authority.issue(folder / "tls", NAME)
    authority.issue(folder / "providers", *PROVIDERS, MAIL_SERVER)
    return authority
