"""docs/architecture.md names the platforms that are longer than agreed."""

import inspect
import re
from pathlib import Path

from crawler.platforms import platforms

ROOT = Path(__file__).parents[2]
PAPER = (ROOT / "docs" / "architecture.md").read_text()


def test_every_platform_that_is_longer_than_agreed_is_named_with_its_reason() -> None:
    agreed = int(re.findall(r"^\* \*\*Most platforms are longer than (\d+) lines", PAPER, re.MULTILINE)[0])
    reasons = PAPER.partition("**Most platforms are longer")[2].partition("\n* ")[0]
    readers = {name: Path(inspect.getfile(inspect.unwrap(each.read))) for name, each in platforms().items()}
    long = {name for name, file in readers.items() if len(file.read_text().splitlines()) > agreed}
    assert long - set(re.findall(r"`(\w+)`", reasons)) == set()
    assert len(long) > len(readers) / 2
