"""`python -m deploy.secret_scan [FILE…]`: names each line that seems to hold a secret; exit code 1 where there is one.

Without files all of the repository's, by detect-secrets, with detectors for the keys that it lacks, and rules for test
values that are no secrets. What no rule allows is a finding. A value that must stand in a file all the same is marked
on its line, with the reason: `# pragma: allowlist secret -- why`. A file that was clean is not read again until it, or
a rule, changes.
"""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

from detect_secrets.core.scan import scan_file
from detect_secrets.plugins.base import BasePlugin, RegexBasedDetector
from detect_secrets.settings import transient_settings

CLEAN = Path(".state/secret-scan.json")
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
LEFT_OUT = ("deploy/requirements/", "tests/golden/")

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

    secret_type = "Key of a provider or of the backups"  # noqa: S105 -- what a finding is called
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


def find_secrets(files: Iterable[str]) -> dict[str, list[str]]:
    """Return what was found in each file: where and what kind, never the secret itself."""
    config = {"plugins_used": _copy(PLUGINS), "filters_used": _copy(FILTERS)}
    with transient_settings(config):  # it takes the names out of what it is given
        return {file: list(_find_in(file)) for file in files}


def _copy(entries: Iterable[Mapping[str, object]]) -> list[dict[str, object]]:
    return [dict(each) for each in entries]


def _find_in(file: str) -> Iterator[str]:
    kinds = {each.line_number: each.type for each in scan_file(file)}
    for number, kind in sorted(kinds.items()):
        line = Path(file).read_text("utf-8", "replace").split("\n")[number - 1]
        if MARK not in line:
            yield f"{file}:{number}: {kind}"


def scan(files: Iterable[str], clean: Path = CLEAN) -> list[str]:
    """Return the findings in these files; remember in `clean` which had none."""
    digests = {file: _digest(file) for file in files if _is_scanned(file)}
    known = _read_clean(clean)
    changed = [file for file, digest in digests.items() if known.get(file) != digest]
    found = find_secrets(changed)
    known |= {file: digests[file] for file, findings in found.items() if not findings}
    clean.parent.mkdir(parents=True, exist_ok=True)
    clean.write_text(json.dumps({"rules": _name_rules(), "files": known}), "utf-8")
    return [each for findings in found.values() for each in findings]


def _is_scanned(file: str) -> bool:
    return not file.startswith(LEFT_OUT) and Path(file).is_file() and not Path(file).is_symlink()


def _digest(file: str) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


def _name_rules() -> str:
    return f"{version('detect-secrets')} {_digest(__file__)}"


def _read_clean(clean: Path) -> dict[str, str]:
    try:
        read = json.loads(clean.read_text("utf-8"))
        return dict(read["files"]) if read["rules"] == _name_rules() else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


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
