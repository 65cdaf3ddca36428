"""`python -m tests.lab.secret_scan [FILE…]`: names each line that seems to hold a secret; exit code 1 where there is one.

Without files all of the repository's, by detect-secrets, with detectors for the keys that it lacks, and rules for test
values that are no secrets. What no rule allows is a finding. A value that must stand in a file all the same is marked
on its line, with the reason: `# pragma: allowlist secret -- why`.
"""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from detect_secrets.core.scan import scan_file
from detect_secrets.plugins.base import BasePlugin, RegexBasedDetector
from detect_secrets.settings import transient_settings

MARK = "pragma: allowlist secret"
# Production takes nothing shorter as a key (configs/settings/production_checks.py).
_SHORTEST = 16
_SEQUENCE = "0123456789abcdef"
_SEPARATORS = re.compile(r"\\[nrt]|%[0-9A-F]{2}|[^0-9A-Za-zÀ-ÿ]+")
_WORD = re.compile(r"[A-ZÀ-Þ]?[a-zà-ÿ]{0,30}|[A-Z]{1,20}|\d{1,4}")
_PUBLIC = re.compile(r"age1[02-9ac-hj-np-z]{58}")  # a public key, which encrypts only
# These find what follows a telling name, or what is long and varied. All others know what a provider's key looks like.
_GUESSING = frozenset(
    {"Base64 High Entropy String", "Basic Auth Credentials", "Hex High Entropy String", "Secret Keyword"}
)
# Hashes of packages, and pages of foreign sites whose ids look like keys.
LEFT_OUT = ("deploy/requirements/", "tests/golden/", "tests/lab/requirements/")

PLUGINS = (
    {"name": "AWSKeyDetector"},
    {"name": "Base64HighEntropyString", "limit": 4.5},
    {"name": "BasicAuthDetector"},
    {"name": "GitHubTokenDetector"},
    {"name": "HexHighEntropyString", "limit": 3.0},
    {"name": "JwtTokenDetector"},
    {"name": "KeywordDetector"},
    {"name": "OurKeysDetector", "path": f"file://{__file__}"},
    {"name": "PrivateKeyDetector"},
    {"name": "PypiTokenDetector"},
    {"name": "SendGridDetector"},
    {"name": "StripeDetector"},
    {"name": "TwilioKeyDetector"},
)
FILTERS = (
    {"path": "detect_secrets.filters.heuristic.is_not_alphanumeric_string"},
    {"path": "detect_secrets.filters.heuristic.is_potential_uuid"},
    {"path": "detect_secrets.filters.heuristic.is_prefixed_with_dollar_sign"},
    {"path": "detect_secrets.filters.heuristic.is_templated_secret"},
    {"path": f"file://{__file__}::is_stand_in"},
)


class OurKeysDetector(RegexBasedDetector):
    """Finds the keys of our providers and backups that no plugin of detect-secrets finds within a line."""

    secret_type = "Key of a provider or of the backups"
    denylist: ClassVar = [
        re.compile(r"\bAGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}\b"),
        re.compile(r"\b(?:[rs]k_live_|whsec_)[0-9A-Za-z+/]{24,}"),
        re.compile(r"(?<!\d)\d{8,12}:[\w-]{35}(?![\w-])"),  # of a Telegram bot
    ]


def is_stand_in(secret: str, plugin: BasePlugin) -> bool:
    """Return whether a value is none that anybody would draw: short, a sequence, words, or a public key."""
    if _SEQUENCE in secret.lower():
        return True
    if plugin.secret_type not in _GUESSING:
        return False
    words = [each for each in _SEPARATORS.split(secret) if each]
    is_text = all(_WORD.fullmatch(each) for each in words)
    return is_text or len(secret) < _SHORTEST or bool(_PUBLIC.fullmatch(secret))


def list_files() -> list[str]:
    """Return the files of the repository, also those that are new and not ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return sorted({each for each in listed.split("\0") if each})


def scan(files: Iterable[str]) -> list[str]:
    """Return what was found in these files: where and what kind, never the secret itself."""
    config = {"plugins_used": _copy(PLUGINS), "filters_used": _copy(FILTERS)}
    with transient_settings(config):  # it takes the names out of what it is given
        return [each for file in files if _is_scanned(file) for each in _find_in(file)]


def _copy(entries: Iterable[Mapping[str, object]]) -> list[dict[str, object]]:
    return [dict(each) for each in entries]


def _find_in(file: str) -> Iterator[str]:
    kinds = {each.line_number: each.type for each in scan_file(file)}
    for number, kind in sorted(kinds.items()):
        line = Path(file).read_text("utf-8", "replace").split("\n")[number - 1]
        if MARK not in line:
            yield f"{file}:{number}: {kind}"


def _is_scanned(file: str) -> bool:
    return not file.startswith(LEFT_OUT) and Path(file).is_file() and not Path(file).is_symlink()


def main(arguments: list[str]) -> int:
    """Search the files; return 1 where something was found."""
    found = scan(arguments or list_files())
    for each in found:
        print(each)
    if found:
        print("a secret belongs in no file: docs/security.md#secrets-in-files says what to do")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
