"""Plays the faults of faults.md: puts each into the working tree, and tells whether a test of its folder sees it.

`python -m tests.lab.faults [NUMBERS…]`: red (a test fails), green (none does), moved (its line or its tests are not
where the page says). Ends with 1 where one is green, with 2 where one has moved.
"""

import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
_PAGE = Path(__file__).with_name("faults.md")
_PRODUCT = ("api", "configs", "crawler", "notifier")
_SECTION = re.compile(r"(\d+)\. .+\n\n(.+)\n`(.+)`, tests: (.+)\n\n```diff\n-(.+)\n\+(.+)\n```")
_SEEN_BY = re.compile(r"^(?:FAILED|ERROR) (tests/.+?)(?: - .*)?$", re.MULTILINE)
# One process: the first failure ends it, before two workers would have read the tests.
_PYTEST = ("-m", "pytest", "-x", "-q", "-n", "0", "-m", "not journey")
_SEES_NOTHING = (0, 5)  # pytest's words for: all passed, none was found


@dataclass(frozen=True, slots=True)
class Fault:
    """A section of the page: a line of a file, as it is and as the fault has it, both without indentation."""

    number: int
    file: str
    before: str
    after: str
    report: str
    tests: list[str]


class Verdict(NamedTuple):
    """What became of a fault: red, green or moved; the test that failed, or what is not found."""

    state: str
    why: str = ""


def read_faults(text: str) -> list[Fault]:
    """Return the faults of a page.

    Raises:
        ValueError: a section is not like the others.
    """
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    return [_read_section(each) for each in sections]


def _read_section(text: str) -> Fault:
    found = _SECTION.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"fault {text.partition('.')[0]}: write its section as the others are")
    number, report, file, tests, before, after = found.groups()
    return Fault(int(number), file, before, after, report, tests.split())


def replace_line(source: str, before: str, after: str) -> str | None:
    """Return a source with its one line `before` replaced; None where it has no such line, or several."""
    lines = source.splitlines(keepends=True)
    places = [number for number, line in enumerate(lines) if line.strip() == before]
    if len(places) != 1:
        return None
    (place,) = places
    lines[place] = lines[place].replace(before, after)
    return "".join(lines)


def play(fault: Fault) -> Verdict:
    """Put a fault into its file, run its tests, and put the file back, whatever happens."""
    path = ROOT / fault.file
    whole = path.read_bytes() if path.is_file() else b""
    changed = replace_line(whole.decode(), fault.before, fault.after)
    if changed is None:
        return Verdict("moved", f"{fault.file} has no such line, or several")
    if gone := [each for each in fault.tests if not (ROOT / each).exists()]:
        return Verdict("moved", f"{', '.join(gone)}: no such tests")
    try:
        path.write_text(changed, encoding="utf-8")
        return _run(fault.tests)
    finally:
        path.write_bytes(whole)


def _run(tests: list[str]) -> Verdict:
    """Run tests up to the first failure.

    Raises:
        RuntimeError: pytest could not run them.
    """
    done = subprocess.run([sys.executable, *_PYTEST, *tests], cwd=ROOT, capture_output=True, text=True)
    if done.returncode in _SEES_NOTHING:
        return Verdict("green")
    seen = _SEEN_BY.search(done.stdout)
    if seen is None:
        raise RuntimeError(
            f"pytest ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        )
    return Verdict("red", seen[1])


def main(numbers: list[int]) -> int:
    """Play the faults of these numbers, or all; print a line for each."""
    asked = ["git", "status", "--porcelain", "--", *_PRODUCT]
    if dirty := subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout:
        print(
            f"Commit these first, or put them back (git restore): a fault must not mix with changes\n{dirty}"
        )
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the file is put back then, too
    states = []
    for fault in read_faults(_PAGE.read_text(encoding="utf-8")):
        if numbers and fault.number not in numbers:
            continue
        began = monotonic()
        verdict = play(fault)
        states.append(verdict.state)
        said = verdict.why or fault.report
        print(f"{fault.number:3} {verdict.state:5} {monotonic() - began:5.0f} s  {said}", flush=True)
    print(", ".join(f"{states.count(each)} {each}" for each in ("red", "green", "moved")))
    return 1 if "green" in states else 2 if "moved" in states else 0


if __name__ == "__main__":
    sys.exit(main([int(each) for each in sys.argv[1:]]))
