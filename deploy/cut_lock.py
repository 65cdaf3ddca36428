"""`python deploy/cut_lock.py NAME…`: prints the part of the one lock that some packages need, with its hashes.

A name is one of setup.cfg's extras, which stands for all that our code needs with it, or a package. The lock's own
lines `# via` tell what a package needs: those that name it. It needs nothing but Python: images and `make setup`
begin with it.
"""

import configparser
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

_ROOT = Path(__file__).parents[1]
LOCK = Path("deploy/requirements/lock.txt")
_NAME = re.compile(r"[\w.-]+")


def canonical(name: str) -> str:
    """Return a package's name as indexes compare it: https://packaging.python.org/en/latest/specifications/name-normalization/."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_blocks(lock: str) -> list[tuple[str, str]]:
    """Return the packages of a lock, each with its lines; a package may be there twice, for different Pythons."""
    found = re.findall(r"^[\w.-]+==.*\n(?: .*\n)*", lock, re.MULTILINE)
    return [(canonical(block.partition("==")[0]), block) for block in found]


def read_extra(setup: configparser.ConfigParser, extra: str) -> Iterator[str]:
    """Yield the packages that setup.cfg asks for with an extra, those of extras that it includes too."""
    for line in setup["options.extras_require"][extra].splitlines():
        text = line.partition("#")[0].strip()
        included = re.fullmatch(r"rdvpriority\[(.+)\]", text)
        if included:
            for each in included[1].split(","):
                yield from read_extra(setup, each.strip())
        elif found := _NAME.match(text):
            yield canonical(found[0])


def list_wanted(setup: configparser.ConfigParser, names: Iterable[str]) -> set[str]:
    """Return the packages that these names mean: an extra's own, and each package by its name."""
    wanted: set[str] = set()
    for name in names:
        if name in setup["options.extras_require"]:
            always = setup["options"]["install_requires"].splitlines()
            wanted |= {canonical(found[0]) for line in always if (found := _NAME.match(line.strip()))}
            wanted |= set(read_extra(setup, name))
        else:
            wanted.add(canonical(name))
    return wanted


def cut(lock: str, wanted: Iterable[str]) -> str:
    """Return the lines of these packages and of all that they need.

    Raises:
        LookupError: the lock lacks one of them.
    """
    blocks = read_blocks(lock)
    needs: dict[str, set[str]] = {name: set() for name, _ in blocks}
    for name, block in blocks:
        for parent in _read_parents(block):
            needs.setdefault(parent, set()).add(name)
    kept: set[str] = set()
    waiting = set(wanted)
    while waiting:
        name = waiting.pop()
        if name not in needs:
            raise LookupError(f"the lock has no {name}: run `make lock`")
        kept.add(name)
        waiting |= needs[name] - kept
    return "".join(block for name, block in blocks if name in kept)


def _read_parents(block: str) -> Iterator[str]:
    """Yield the packages that ask for the one of a block; our own setup.cfg is none."""
    via = block.partition("# via")[2]
    for line in via.splitlines():
        text = line.strip(" #")
        if text and not text.endswith(")"):
            yield canonical(text)


def main(names: list[str], lock: Path = _ROOT / LOCK, setup: Path = _ROOT / "setup.cfg") -> int:
    """Print the cut."""
    if not names:
        raise SystemExit("usage: python deploy/cut_lock.py NAME…: extras of setup.cfg, or packages")
    parser = configparser.ConfigParser()
    parser.read(setup, "utf-8")
    try:
        print(cut(lock.read_text("utf-8"), list_wanted(parser, names)), end="")
    except LookupError as missing:
        raise SystemExit(str(missing.args[0])) from None
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
