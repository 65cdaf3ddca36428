"""What a walk at the terminal says of desks: who links them, and nothing of what it cannot know."""

from collections.abc import Callable
from typing import Any

import pytest

from configs.desk import Desk
from configs.prefecture import desks, prefectures
from crawler.discovery.observations import ObservedPage, PageSeen
from crawler.discovery.recognise import key
from crawler.discovery.results import RunResult, Walked, addresses
from crawler.discovery.terminal import links

PAGE = PageSeen("evry_91", "https://site.invalid/page", ObservedPage.READ)


@pytest.fixture(autouse=True)
def _two(desk_files: Callable[..., dict[str, Desk]]) -> None:
    desk_files(a="127.77.0.91:8800", b="127.77.0.92:8800")


def said(shared: str = "", **outcome: Any) -> list[str]:
    owners = addresses(desks().values())
    if shared:
        owners[key(desks()[shared].url)] = frozenset({"evry_91", "melun_77"})
    found = RunResult(linked={"evry_91/a": (PAGE,)}, **outcome)
    return "".join(links(list(prefectures().values()), found, owners)).splitlines()[2:]


def test_each_desk_is_said_to_be_linked_or_not() -> None:
    assert said() == [
        "  evry_91/a: linked by https://site.invalid/page",
        "  evry_91/b: linked by no page that was read",
    ]


@pytest.mark.parametrize(
    "trouble", [{"cut": True, "doubts": ()}, {"cut": False, "doubts": (("x", "captcha"),)}]
)
def test_what_was_not_read_may_link_it(trouble: dict[str, Any]) -> None:
    walked = (Walked("evry_91", {}, **trouble),)
    assert said(walked=walked)[1].endswith("no page that was read, and not all of the site could be read")


def test_of_an_address_that_prefectures_share_links_say_nothing() -> None:
    assert said(shared="evry_91/b") == ["  evry_91/a: linked by https://site.invalid/page"]
