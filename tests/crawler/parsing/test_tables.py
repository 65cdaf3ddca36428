import pytest

from crawler.parsing.tables import whole_table
from tests.crawler.pages import page

LEGEND = "<p><span>libre</span> <span>pris</span></p>"
TAKEN = "<td>9:00 pris</td>"
WEEK = f"<table><tr><td><a href='/pick/1'>libre</a></td>{TAKEN * 6}</tr></table>"


def whole(body: str) -> bool:
    return whole_table(page(body), "libre", "/pick/")


def test_a_table_that_came_to_its_end_with_its_legend_is_whole() -> None:
    assert whole(WEEK + LEGEND)
    assert whole(LEGEND + WEEK.replace("<a href='/pick/1'>libre</a>", "")), "with no free hour too"


@pytest.mark.parametrize(
    "body",
    [
        (WEEK + LEGEND).replace("</table>", ""),
        WEEK + LEGEND + "<p",
        WEEK,
        WEEK + LEGEND * 2,
        WEEK.replace("/pick/1", "/elsewhere") + LEGEND,
        WEEK.replace("<a href='/pick/1'>libre</a>", "libre") + LEGEND,
        WEEK.replace("<a href='/pick/1'>libre</a>", "<b>libre</b>"),
    ],
    ids=[
        "cut off",
        "broken tag",
        "no legend",
        "two legends",
        "another link",
        "no link",
        "a day for a legend",
    ],
)
def test_a_table_that_may_have_lost_an_hour_is_not(body: str) -> None:
    assert not whole(body)
