"""docs/decisions/platform-length.md names the platforms that are longer than agreed."""

import inspect
import re
from pathlib import Path

from crawler.platforms import platforms

ROOT = Path(__file__).parents[2]
PAPER = (ROOT / "docs" / "decisions" / "platform-length.md").read_text()


def test_every_platform_that_is_longer_than_agreed_is_named_with_its_reason() -> None:
    agreed = int(re.findall(r"^# Platforms longer than (\d+) lines", PAPER)[0])
    reasons = "\n".join(line for line in PAPER.splitlines() if line.startswith("| `"))
    readers = {name: Path(inspect.getfile(type(each))) for name, each in platforms().items()}
    long = {name for name, file in readers.items() if len(file.read_text().splitlines()) > agreed}
    assert long - set(re.findall(r"`(\w+)`", reasons)) == set()
    assert len(long) > len(readers) / 2
