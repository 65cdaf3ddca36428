import sys
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from scrapy.settings import Settings

from configs.world.outcome import Outcome
from crawler.cli.report import CheckReport
from crawler.reading import Slot
from tests.crawler.held import make_desk
from tests.crawler.test_items import GUICHET, check


def test_an_open_desk_shows_its_first_hours_and_where_to_book() -> None:
    start = datetime(2026, 12, 3, 8, 30, tzinfo=UTC)
    report = CheckReport("prefenligne")
    report.add(make_desk(), check(*(Slot(GUICHET, start + timedelta(days=day)) for day in range(7))))
    assert report.text().splitlines() == [
        "evry-courcouronnes_91/naturalisation: SLOTS in 250 ms, 3 requests",
        "    Naturalisation",
        "    7 open, book at https://www.essonne.gouv.fr/booking/create/23014",
        "      2026-12-03 09:30  Guichet A",
        "      2026-12-04 09:30  Guichet A",
        "      2026-12-05 09:30  Guichet A",
        "      2026-12-06 09:30  Guichet A",
        "      2026-12-07 09:30  Guichet A",
        "      and 2 more",
        "prefenligne: 1 checked: 1 slots",
    ]


def test_other_outcomes_give_their_reason_on_one_line() -> None:
    report = CheckReport("prefenligne")
    report.add(
        make_desk(slug="b"), check(desk_id="x/b", outcome=Outcome.BLOCKED, reason="HTTP\n403", requests=1)
    )
    report.add(make_desk(slug="a"), check(desk_id="x/a", outcome=Outcome.NO_SLOTS))
    lines = report.text().splitlines()
    assert [line.split(":")[0] for line in lines if line[0] != " "] == [
        "evry-courcouronnes_91/a",
        "evry-courcouronnes_91/b",
        "prefenligne",
    ]
    assert "    HTTP 403" in lines
    assert "1 request" in lines[3]
    assert lines[-1] == "prefenligne: 2 checked: 1 no_slots, 1 blocked"


@pytest.mark.parametrize(("feed", "stream"), [("slots.jsonl", "out"), ("-", "err"), ("stdout:", "err")])
def test_a_feed_on_standard_output_has_it_for_itself(
    monkeypatch: pytest.MonkeyPatch, feed: str, stream: str
) -> None:
    written = {"out": StringIO(), "err": StringIO()}
    monkeypatch.setattr(sys, "stdout", written["out"])
    monkeypatch.setattr(sys, "stderr", written["err"])
    CheckReport("prefenligne").print(Settings({"FEEDS": {feed: {"format": "jsonl"}}}))
    assert [name for name, text in written.items() if text.getvalue()] == [stream]
