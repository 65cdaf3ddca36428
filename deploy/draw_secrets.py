"""`python3 deploy/draw_secrets.py FOLDER`: draws the secrets of a new server, one file each.

It needs nothing but Python, because a new server has nothing else. What is there stays as it is.
"""

import secrets
import sys
from pathlib import Path
from urllib.parse import quote

_DRAWN = (
    "data_keys", "db_password", "jwt_secret", "link_key", "lookup_key", "redis_password", "scrapyd_password",
    "telegram_webhook_secret",
)  # fmt: skip
# Each has a login to the database
_PROGRAMS = ("api", "background", "backup", "crawler", "notifier", "reader", "stream")
# configs/ground/redis_users.acl
_QUEUE_USERS = ("api", "background", "crawler", "notifier", "proofs", "reader", "stream")
# Accounts elsewhere give these: their files are made empty, and programs name the ones that stay so.
_GIVEN = (
    "backup_secret_access_key", "sendgrid_api_key", "stripe_secret_key", "stripe_webhook_secret", "telegram_bot_token",
    "twilio_auth_token",
)  # fmt: skip


def draw(folder: Path) -> list[str]:
    """Write what is missing; return the names of the files that are still empty.

    The folder is its owner's alone. The files are readable to all, because each container has a user of its own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name in _DRAWN:
        _write(folder / name, secrets.token_urlsafe(48))
    # one that a person chose may hold what means something in an address
    database = quote((folder / "db_password").read_text().rstrip("\r\n"), safe="")
    _write(folder / "database_url", f"postgresql://rdvpriority:{database}@postgres:5432/rdvpriority")
    for program in _PROGRAMS:
        login = f"rdvpriority_{program}_1:{secrets.token_urlsafe(48)}"
        _write(folder / f"database_url_{program}", f"postgresql://{login}@postgres:5432/rdvpriority")
    for program in _QUEUE_USERS:
        _write(folder / f"redis_url_{program}", f"redis://{program}:{secrets.token_urlsafe(48)}@redis:6379/0")
    for name in _GIVEN:
        _write(folder / name, "")
    return [name for name in _GIVEN if not (folder / name).read_text().strip()]


def _write(file: Path, text: str) -> None:
    if not file.exists():
        half = file.with_name(f".{file.name}.new")  # a full disk leaves no half secret
        half.write_text(f"{text}\n" if text else "")
        half.chmod(0o444)
        half.replace(file)


def main(arguments: list[str]) -> int:
    """Draw them, and print which ones are to be filled in."""
    if len(arguments) != 1:
        raise SystemExit("usage: python3 deploy/draw_secrets.py FOLDER")
    folder = Path(arguments[0])
    empty = draw(folder)
    if empty:
        print(f"to be filled in {folder}: {', '.join(empty)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
