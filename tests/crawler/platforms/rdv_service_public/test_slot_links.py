from datetime import UTC, date, datetime

import pytest
from lxml import html

from crawler.platforms.rdv_service_public.slot_links import parameter, read_hour_links, read_next_link
from crawler.reading import Page
from tests.crawler.pages import page

NINE = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
WRITTEN = "2026-11-23+09%3A30%3A00+%2B0100"


def hours(body: str) -> tuple[dict[datetime, str | None], int]:
    seen = page(f"<body>{body}</body>")
    return read_hour_links(seen, seen.root.xpath("//a[@class='x']"), "at")


def link(href: str, text: str = "") -> tuple[Page, html.HtmlElement]:
    seen = page(f"<body><a href='{href}'>{text}</a></body>")
    return seen, seen.root.xpath("//a")[0]


def test_an_hour_is_what_its_links_address_says() -> None:
    found, odd = hours(f"<a class=x href='/pick?room=2&amp;at={WRITTEN}'>9:30</a>")
    assert (list(found), odd) == ([NINE], 0)
    assert (found[NINE] or "").endswith(f"/pick?room=2&at={WRITTEN}")


@pytest.mark.parametrize(
    "other",
    [
        "<a class=x href='/pick?at=soon'>?</a>",
        "<a class=x href='/pick'>?</a>",
        "<a href='/pick?at=2026-11-24+09%3A30%3A00+%2B0100'>elsewhere</a>",
        "<!-- /pick?at=2026-11-24T09:30 -->",
        "<script>go('/pick?at=2026-11-24T09:30')</script>",
    ],
)
def test_an_hour_that_cannot_be_read_or_stands_elsewhere_is_counted(other: str) -> None:
    found, odd = hours(f"<a class=x href='/pick?at={WRITTEN}'>9:30</a>{other}")
    assert (list(found), odd) == ([NINE], 1)


def test_a_longer_name_is_another_parameter() -> None:
    assert hours("<a href='/pick?that=2026-11-24T09:30'>x</a>") == ({}, 0)
    assert parameter(link("/pick?at=a%20b")[1], "at") == "a b"


@pytest.mark.parametrize(
    ("href", "text", "moment"),
    [
        (f"/week?date={WRITTEN}", "le 24/11/2026", NINE),
        ("/week?date=2026-11-23", "", date(2026, 11, 23)),
        ("/week?place=5", "le lundi 23 novembre 2026 à 09h30", NINE),
        ("/week?date=soon", "le lundi 23 novembre 2026 à 09h30", None),
        ("/week", "bientôt", None),
    ],
)
def test_the_next_availability_is_that_of_the_address_else_of_the_words(
    href: str, text: str, moment: date | None
) -> None:
    url, found = read_next_link(*link(href, text), "date")
    assert (found, url.endswith(href)) == (moment, True)


def test_a_next_availability_on_another_site_leads_nowhere() -> None:
    assert read_next_link(*link("https://elsewhere.example/week?date=2026-11-23"), "date") == ("", None)
