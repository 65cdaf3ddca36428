"""Golden pages (see golden.py) and their expected readings. A case that expects nothing fails.

With GOLDEN=write it is written, to be read by a person before it is committed.
"""

import json
import os
import re
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crawler.block_pages import classify_page
from crawler.commands.read import describe
from crawler.platforms import platform, platforms
from tests.crawler.golden import CASES, body, case_file, expected, kind, load, name_of
from tests.in_turn import in_turn


@pytest.mark.parametrize("name", sorted(platforms()))
def test_a_platform_has_golden_pages(name: str) -> None:
    assert [case for case in CASES if case.parent.name == name]


@in_turn("case", CASES, name_of)
def test_a_golden_page_is_read_as_expected(case: Path) -> None:
    page, file = load(case), case / "expected.json"
    said = describe(classify_page(platform(case.parent.name), page), page.visit.zone)
    if not expected(case) and os.environ.get("GOLDEN") == "write":
        file.write_text(json.dumps(case_file(case) | said, ensure_ascii=False, indent=2) + "\n")
    assert expected(case), f"{file} expects nothing: GOLDEN=write writes it, read it before you commit it"
    assert said == expected(case)


@in_turn("case", [case for case in CASES if kind(case) == ".html"], name_of)
def test_a_page_whose_accents_stand_apart_is_read_the_same(case: Path) -> None:
    page, written = load(case), body(case).decode("utf-8", "surrogateescape")
    apart = replace(page, body=unicodedata.normalize("NFD", written).encode("utf-8", "surrogateescape"))
    said = describe(classify_page(platform(case.parent.name), apart), page.visit.zone)
    composed = json.loads(unicodedata.normalize("NFC", json.dumps(said, ensure_ascii=False)))
    assert _without_size(composed) == _without_size(expected(case))


def _without_size(said: dict[str, Any]) -> dict[str, Any]:
    return said | {"reason": re.sub(r"\d+ bytes", "", said.get("reason", ""))}
