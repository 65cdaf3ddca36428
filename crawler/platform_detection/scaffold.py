"""Scaffold of a new platform: its reader, golden pages, a stand-in and a page about it, all to be filled in."""

import re
from importlib.resources import files
from itertools import count
from keyword import iskeyword
from pathlib import Path
from string import Template

_NAME = re.compile(r"[a-z][a-z0-9_]{1,39}")
_STAND_INS = Path("deploy/sandbox/platforms")
_FOLDERS = (_STAND_INS, "crawler/platforms")  # where a platform may be a folder
_FILES = {
    "crawler/platforms/{}.py": "reader.py",
    "tests/golden/{}/slots/page.html": "slots.html",
    "tests/golden/{}/slots/expected.json": "expected.json",
    "tests/golden/{}/no_slots/page.html": "no_slots.html",
    "tests/golden/{}/no_slots/expected.json": "expected.json",
    f"{_STAND_INS}/{{}}.py": "stand_in.py",
    "docs/platforms/{}.md": "page.md",
}
_FIRST_FORM = 997001  # forms of stand-ins have unique numbers of six digits


class NotWritten(ValueError):
    """The scaffold cannot be written; the text says why and what to do."""


def write(root: Path, name: str, system: str) -> list[Path]:
    """Write a platform's files into a checkout; return their paths there. Existing files are never changed.

    Raises:
        NotWritten: the name is invalid, or its files exist already; nothing was written.
        OSError: a file could not be written.
    """
    if not _NAME.fullmatch(name) or iskeyword(name):
        raise NotWritten(
            f"{name!r} cannot be a platform's name: lower case letters, digits and _, no word of Python's"
        )
    if not (root / "tests/golden").is_dir():
        raise NotWritten(
            f"{root} is no checkout (it has no tests/golden): run it in one, installed with make setup"
        )
    if there := _there(root, name):
        raise NotWritten(
            f"{', '.join(there)} exists already: choose another name, or go on with what is there"
        )
    words = _words(root, name, system)
    written = []
    for path, template in _FILES.items():
        target = Path(path.format(name))
        text = Template(_template(template)).substitute(words)
        (root / target).parent.mkdir(parents=True, exist_ok=True)
        with (root / target).open("x", encoding="utf-8") as file:
            file.write(text)
        written.append(target)
    return written


def _there(root: Path, name: str) -> list[str]:
    """Return an existing file or folder of the platform, if there is one."""
    own = {"/".join(path.format(name).split("/")[:3]) for path in _FILES} - {str(_STAND_INS)}
    candidates = sorted(
        {*own, *(path.format(name) for path in _FILES), *(f"{each}/{name}" for each in _FOLDERS)}
    )
    return [each for each in candidates if (root / each).exists()][:1]


def _template(name: str) -> str:
    return (files("crawler") / "templates" / "platform" / f"{name}.tmpl").read_text(encoding="utf-8")


def _words(root: Path, name: str, system: str) -> dict[str, object]:
    """Return the values of the templates, with a host and a form number that no other stand-in has."""
    files_of = (path for kind in ("py", "yaml") for path in (root / _STAND_INS).rglob(f"*.{kind}"))
    texts = "".join(path.read_text(encoding="utf-8") for path in files_of)
    hosts = {int(number) for number in re.findall(rf'(?:platform_host\("|host: ){system}"?,? (\d+)', texts)}
    forms = {int(number) for number in re.findall(r"\b\d{6}\b", texts)}
    return {
        "name": name,
        "title": name.replace("_", " ").capitalize(),
        "class_name": "".join(word.capitalize() for word in name.split("_")),
        "host": name.replace("_", "-"),
        "system": system,
        "number": next(number for number in count(1) if number not in hosts),
        "form": next(number for number in count(_FIRST_FORM) if number not in forms),
    }
