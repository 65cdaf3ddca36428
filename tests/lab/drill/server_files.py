"""Files of a new server: settings, secrets and certificates, and the authority in place of a public one."""

import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deploy import draw_secrets
from deploy.backup.encryption import make_key
from deploy.local.environment import write_desk_files
from deploy.sandbox.providers.receipts import make_public_key
from tests.sample_desk_files import only

NAME = "rdv.example.org"  # what people call the server by
DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
PROVIDERS = ("api.sendgrid.com", "api.stripe.com", "api.telegram.org", "api.twilio.com")
_MAIL_SERVER = "smtp.example.org"
_OURS = 10001  # the user of our images
_RECEIPTS = "drill"  # of the stand-in, which makes its key of it
_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
_SETTINGS = {
    "SERVER_NAME": NAME,
    "API_URL": f"https://{NAME}",
    "SUPPORT_EMAIL": f"aide@{NAME}",
    "SENDGRID_WEBHOOK_KEY": make_public_key(_RECEIPTS),
    "TWILIO_ACCOUNT_SID": "AC0123456789abcdef0123456789abcdef",
    "TWILIO_PHONE_NUMBER": "RDVPriority",
    "TELEGRAM_BOT_NAME": "rdvpriority_bot",
    "TELEGRAM_WEBHOOK_URL": f"https://{NAME}/api/telegram/webhook",
    "BACKUP_URL": "/srv/backups",
    "SELLER_NAME": "Vendeur de l'exercice SAS",
    "SELLER_ADDRESS": "1 rue de l'Exercice, 75001 Paris",
    "SELLER_PHONE": "+33162000000",
    "SELLER_SIREN": "123 456 789",
    "SELLER_REGISTRATION": "SAS au capital de 1 000 €, RCS Paris 123 456 789",
    "PUBLISHER": "Camille Martin",
    "HOST_COMPANY": "Hébergeur, 3 rue de l'Exercice, 75001 Paris, +33162000001",
    "MEDIATOR": "Médiateur, 2 rue de l'Exercice, 75001 Paris, https://mediateur.invalid",
    "RELEASE": "v1",
}
# What a real server has not: desks whose pages are stand-ins, log that is stored soon, sites that cannot be walked.
_OF_THE_DRILL = {
    "PREFECTURES_DIR": "/etc/rdvpriority/prefectures",
    "MAIL_PROVIDERS": "sendgrid,smtp",
    "DISCOVERY": "0",
    "BACKUP_WAL_SECONDS": "2",
}
_BEGINNINGS = {
    "stripe_secret_key": "sk_live_",
    "stripe_webhook_secret": "whsec_",
    "sendgrid_api_key": "SG.",
    "telegram_bot_token": "1234567890:",
}


@dataclass(frozen=True)
class ServerFiles:
    """Files of a server, below one folder; also the context of its images."""

    folder: Path

    @property
    def settings(self) -> Path:
        """Return the file of settings."""
        return self.folder / "settings.env"

    @property
    def authority(self) -> Path:
        """Return the certificate that clients trust."""
        return self.folder / "authority" / "authority.pem"

    def read_secret(self, name: str) -> str:
        """Return a secret."""
        return (self.folder / "secrets" / name).read_text("utf-8").strip()

    def variables(self) -> dict[str, str]:
        """Return what Compose is given besides settings.env."""
        return {
            "DRILL": str(self.folder),
            "SECRETS": str(self.folder / "secrets"),
            "SETTINGS_FILE": str(self.settings),
            "STRIPE_WEBHOOK_SECRET": self.read_secret("stripe_webhook_secret"),
        }

    def write(self) -> None:
        """Write settings, secrets, keys and certificates of the server into an empty folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        (self.folder / "store").mkdir()
        shutil.chown(self.folder / "store", _OURS, _OURS)
        self._write_secrets()
        self._write_settings()
        write_desk_files(DEPLOY / "sandbox" / "prefectures", self.folder / "prefectures", _make_real)
        self._found_authority()

    def add_setting(self, name: str, value: str) -> None:
        """Write one setting more."""
        with self.settings.open("a") as file:
            file.write(f"{name}={value}\n")

    def add_secret(self, name: str, text: str) -> None:
        """Write one secret more."""
        self._replace(self.folder / "secrets" / name, text)

    def _write_secrets(self) -> None:
        """Draw what deploy/draw_secrets.py draws, and fill in what accounts elsewhere would give."""
        folder = self.folder / "secrets"
        for name in draw_secrets.draw(folder):
            self._replace(folder / name, _BEGINNINGS.get(name, "") + secrets.token_urlsafe(32))
        self._replace(folder / "smtp_url", f"smtps://drill:{secrets.token_urlsafe(32)}@{_MAIL_SERVER}:465")

    def _write_settings(self) -> None:
        """Write each name of the example that the drill knows, and keep the private key of the backups."""
        example = (DEPLOY / "compose" / "settings.env.example").read_text("utf-8").splitlines()
        names = [line.partition("=")[0] for line in example if line and not line.startswith("#")]
        key, recipient = make_key()
        (self.folder / "backup.key").write_text(key)
        values = _SETTINGS | {"BACKUP_RECIPIENTS": recipient}
        told = {name: values[name] for name in names if name in values} | _OF_THE_DRILL
        self.settings.write_text("".join(f"{name}={value}\n" for name, value in told.items()))

    def _found_authority(self) -> None:
        folder = self.folder / "authority"
        folder.mkdir()
        limits = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"]
        made = ["-keyout", str(folder / "authority.key"), "-out", str(self.authority)]
        subject = ["-subj", "/CN=authority of the drill"]
        _run_openssl("req", "-x509", *_KEY.split(), "-days", "30", *subject, *limits, *made)
        _issue(folder, folder / "providers", *PROVIDERS, _MAIL_SERVER)

    @staticmethod
    def _replace(file: Path, text: str) -> None:
        file.unlink(missing_ok=True)
        file.write_text(f"{text}\n")
        file.chmod(0o444)


def _issue(authority: Path, folder: Path, *names: str) -> None:
    """Write `fullchain.pem` and `privkey.pem` for these names."""
    folder.mkdir(parents=True, exist_ok=True)
    request = folder / "new.csr"
    alternatives = "subjectAltName=" + ",".join(f"DNS:{name}" for name in names)
    asked = ["-subj", f"/CN={names[0]}", "-addext", alternatives]
    _run_openssl(
        "req", "-new", *_KEY.split(), *asked, "-keyout", str(folder / "privkey.pem"), "-out", str(request)
    )
    signer = [
        "-CA",
        str(authority / "authority.pem"),
        "-CAkey",
        str(authority / "authority.key"),
        "-CAcreateserial",
    ]
    served = ["-days", "30", "-copy_extensions", "copy", "-out", str(folder / "fullchain.pem")]
    _run_openssl("x509", "-req", "-in", str(request), *signer, *served)


def _make_real(text: str) -> str:
    """Return a desk file of stand-ins as one of real sites: by name, and no faster than those are asked."""
    told = only("ezbooking", text)
    for code in ("75", "77", "91"):
        told = told.replace(f"127.77.0.{code}:", f"site-{code}.example:")
    for slow in ("interval: 10", "interval: 20"):
        told = told.replace(f"{slow}\n", "interval: 30\n")
    return told.replace("budget: 240", "budget: 60")


def _run_openssl(*command: str) -> None:
    subprocess.run(["openssl", *command], check=True, capture_output=True)
