"""`python -m deploy.secret_scan [FILE…]`: names each line that seems to hold a secret; exit code 1 where there is one.

Without files all of the repository's. A file that was clean is not read again until it, or a rule, changes.
"""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

from detect_secrets.core.scan import scan_file
from detect_secrets.settings import transient_settings

from deploy.secret_scan import rules

CLEAN = Path(".state/secret-scan.json")


def list_files() -> list[str]:
    """Return the files of the repository, also those that are new and not ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return sorted({each for each in listed.split("\0") if each})


def find_secrets(files: Iterable[str]) -> dict[str, list[str]]:
    """Return what was found in each file: where and what kind, never the secret itself."""
    config = {"plugins_used": _copy(rules.PLUGINS), "filters_used": _copy(rules.FILTERS)}
    with transient_settings(config):  # it takes the names out of what it is given
        return {file: list(_find_in(file)) for file in files}


def _copy(entries: Iterable[Mapping[str, object]]) -> list[dict[str, object]]:
    return [dict(each) for each in entries]


def _find_in(file: str) -> Iterator[str]:
    kinds = {each.line_number: each.type for each in scan_file(file)}
    for number, kind in sorted(kinds.items()):
        line = Path(file).read_text("utf-8", "replace").split("\n")[number - 1]
        if rules.MARK not in line:
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
    return not file.startswith(rules.LEFT_OUT) and Path(file).is_file() and not Path(file).is_symlink()


def _digest(file: str) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


def _name_rules() -> str:
    return f"{version('detect-secrets')} {_digest(rules.__file__)}"


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
