"""Settings from files: one file per variable, as Docker hands out secrets (/run/secrets).

A file's name is its variable's, in either case. Files of other names belong to other programs and are left unread.
"""

from collections.abc import Collection
from pathlib import Path

DEFAULT_FOLDER = Path("/run/secrets")
_LARGEST = 64 * 1024  # bytes
# Compose hands out their files always, also where backups lie in a folder, or mail leaves by SMTP alone.
_MAY_BE_EMPTY = ("backup_secret_access_key", "sendgrid_api_key")


def read_secret_files(folder: Path | None, known: Collection[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the settings of `known` (in lower case) that the folder has files for, and a line for each wrong file.

    Without a folder, DEFAULT_FOLDER is read where it exists. A line break at a file's end is no part of its secret.
    The keys of some accounts, which not every server has, count as not set where their files are empty.
    """
    values: dict[str, str] = {}
    wrong: dict[str, str] = {}
    used = folder_in_use(folder)
    try:
        files = sorted(used.iterdir()) if used else []
    except OSError as error:
        why = f"cannot be read ({error.strerror}): name a folder with a file per secret"
        return {}, {"secrets_dir": f"SECRETS_DIR: {used} {why}"}
    for file in files:
        name = file.name.lower()
        if name in known and not (name in _MAY_BE_EMPTY and is_empty(file)):
            try:
                values[name] = _read_secret(file)
            except ValueError as error:
                wrong[name] = f"{name.upper()}: {error}"
    return values, wrong


def folder_in_use(named: Path | None) -> Path | None:
    """Return the folder that secrets are read from: `named`, else DEFAULT_FOLDER where it exists."""
    return named or (DEFAULT_FOLDER if DEFAULT_FOLDER.is_dir() else None)


def is_empty(file: Path) -> bool:
    """Return whether a file is there and holds nothing but, at most, a line break."""
    return file.is_file() and file.stat().st_size <= len("\r\n")


def _read_secret(file: Path) -> str:
    """Return a file's secret.

    Raises:
        ValueError: it holds none; the text says what to do.
    """
    if file.is_dir():  # Docker makes one where the file of a secret is missing
        raise ValueError(f"{file} is a folder: its file was missing when the container was made; write it")
    try:
        with file.open("rb") as opened:
            content = opened.read(_LARGEST + 1)
        text = content.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise ValueError(f"{file} cannot be read ({error.strerror}): give this user the right to") from None
    except UnicodeDecodeError:
        raise ValueError(f"{file} is not UTF-8: write the secret as text") from None
    if not text.strip():
        raise ValueError(f"{file} is empty: write the secret into it, or remove it")
    if len(content) > _LARGEST or "\0" in text or "\n" in text:
        raise ValueError(f"{file} holds more than one line of text: write the secret alone")
    return text
