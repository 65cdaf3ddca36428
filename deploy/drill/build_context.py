"""Build context of the images: the files that Docker would send, by .dockerignore."""

import hashlib
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def read_rules(text: str) -> list[str]:
    """Return the lines of a .dockerignore that are rules."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def is_sent(path: str, rules: Sequence[str]) -> bool:
    """Whether a file belongs to the context: the last rule that fits it decides.

    https://docs.docker.com/build/concepts/context/#dockerignore-files
    """
    sent = True
    for rule in rules:
        if _fits(path, rule.removeprefix("!")):
            sent = rule.startswith("!")
    return sent


def _fits(path: str, pattern: str) -> bool:
    parts = path.split("/")
    heads = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
    if pattern.startswith("**/"):
        return any(fnmatch(part, pattern[3:]) for part in parts)
    return any(fnmatch(head, pattern) and head.count("/") == pattern.count("/") for head in heads)


def list_context() -> list[str]:
    """Return the tracked files that are sent."""
    rules = read_rules((ROOT / ".dockerignore").read_text("utf-8"))
    list_files = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(list_files, cwd=ROOT, capture_output=True, text=True, check=True)
    files = sorted(name for name in done.stdout.split("\0") if name)
    return [name for name in files if is_sent(name, rules) and (ROOT / name).is_file()]


def copy_context(target: Path) -> None:
    """Copy the files into a new folder."""
    shutil.rmtree(target, ignore_errors=True)
    for name in list_context():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target / name)


def hash_files(names: Iterable[str]) -> str:
    """Return one hash of files and their names."""
    digest = hashlib.sha256()
    for name in names:
        content = hashlib.sha256((ROOT / name).read_bytes()).hexdigest()
        digest.update(f"{name} {content}\n".encode())
    return digest.hexdigest()
