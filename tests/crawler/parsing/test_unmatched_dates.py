from datetime import UTC, date, datetime

import pytest

from crawler.parsing.date_parsing import has_unmatched_dates
from crawler.reading import ANYWHERE, Slot
from tests.crawler.pages import TODAY, page

AT_NINE = Slot(ANYWHERE, datetime(2026, 11, 23, 8, tzinfo=UTC))
A_DAY = Slot(ANYWHERE, date(2026, 11, 23))
NEWS = "<p class=n>Ouverture le <b>lundi 30 novembre à 10h</b></p>"


@pytest.mark.parametrize(
    "text", ["lundi 23 novembre à 9h", "lundi 23 novembre à 9h, puis encore 23/11/2026 09:00"]
)
def test_a_page_that_names_its_slots_alone_names_nothing_astray(text: str) -> None:
    assert not has_unmatched_dates(page(f"<p>{text}</p>"), [AT_NINE])


def test_a_moment_that_is_none_of_the_slots_is_astray() -> None:
    assert has_unmatched_dates(page("<p>lundi 23 novembre à 9h</p><p>mardi 24 novembre à 9h</p>"), [AT_NINE])
    assert has_unmatched_dates(page("<p>mardi 24 novembre à 9h</p>"), [])


@pytest.mark.parametrize("text", [f"vendredi {TODAY:%d/%m/%Y} à 10h", "jeudi 12/11/2026 à 10h"])
def test_what_is_not_ahead_is_no_slot_that_was_missed(text: str) -> None:
    assert not has_unmatched_dates(page(f"<p>{text}</p>"), [AT_NINE])


def test_a_day_counts_where_the_slots_are_days() -> None:
    body = "<p>lundi 23 novembre</p><p>mardi 24 novembre</p>"
    assert has_unmatched_dates(page(body), [A_DAY])
    assert not has_unmatched_dates(page(body), [AT_NINE])


def test_what_stands_aside_does_not_count_unless_it_stands_elsewhere_too() -> None:
    news, twice = page(NEWS), page(NEWS + NEWS.replace("class=n", ""))
    assert not has_unmatched_dates(news, [], news.root.xpath("//p[@class='n']"))
    assert has_unmatched_dates(twice, [], twice.root.xpath("//p[@class='n']"))
