"""docs/architecture.md names the platforms that are longer than agreed."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAPER = (ROOT / "docs" / "architecture.md").read_text()


def test_every_platform_that_is_longer_than_agreed_is_named_with_its_reason() -> None:
    agreed = int(re.findall(r"^\* \*\*Most platforms are longer than (\d+) lines", PAPER, re.MULTILINE)[0])
    reasons = PAPER.partition("**Most platforms are longer")[2].partition("\n* ")[0]
    readers = [file for file in (ROOT / "crawler" / "platforms").glob("*.py") if file.stem != "__init__"]
    long = {file.stem for file in readers if len(file.read_text().splitlines()) > agreed}
    assert long - set(re.findall(r"`(\w+)`", reasons)) == set()
    assert len(long) > len(readers) / 2
