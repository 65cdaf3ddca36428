"""Rules of a robots.txt."""

from unittest.mock import Mock

import pytest
from protego import Protego

from crawler.parsing.robots_rules import allows


def test_a_long_robots_txt_is_parsed_once_for_all_pages_of_its_host(monkeypatch: pytest.MonkeyPatch) -> None:
    parse = Mock(wraps=Protego.parse)
    monkeypatch.setattr(Protego, "parse", parse)
    text = "User-agent: *\n" + "".join(f"Disallow: /{number}$\n" for number in range(50))
    found = [allows(text, f"https://a.example/{number}") for number in range(45, 55)]
    assert (found, parse.call_count) == ([False] * 5 + [True] * 5, 1)
