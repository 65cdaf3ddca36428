from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from api.models.base import session
from api.models.desk import Outage, OutageReason
from configs.settings import settings
from configs.world.desk import Desk, Outcome
from crawler.incidents import backoff
from tests.crawler.checks import HOST, NOW, recorded, slot
from tests.factories import rows

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def desks(planned_desks: Callable[..., dict[str, Desk]]) -> dict[str, Desk]:
    """Three desks with their rows: a and b on one host."""
    return planned_desks(a=HOST, b=HOST, c="127.77.0.92:8800")


def ends(*outcomes: Outcome, desk: str = "a", first: int = 1) -> None:
    """Let a desk's checks end so, one a minute, each written at once."""
    for number, outcome in enumerate(outcomes, start=first):
        shown = (slot(),) if outcome is Outcome.SLOTS else ()
        recorded(NOW + number * MINUTE, desk, number, *shown, outcome=outcome)


def of(desk: str = "a") -> list[tuple[str, int, int | None]]:
    """Return a desk's outages: reason, first minute, last minute."""
    found = sorted(rows(Outage, Outage.desk_id == f"evry_91/{desk}"), key=lambda row: row.starts_at)
    return [
        (row.reason.value, _minute(row.starts_at), _minute(row.ends_at) if row.ends_at else None)
        for row in found
    ]


def _minute(at: datetime) -> int:
    return round((at - NOW) / MINUTE)


@pytest.fixture
def behind_a_captcha(desks: dict[str, Desk], settings_env: Callable[..., None]) -> None:
    """Desk a shows no more than that it exists."""
    path = settings().prefectures_dir / "evry_91.yaml"
    path.write_text(path.read_text().replace("grade:", "watch: presence\n    grade:", 1))
    settings_env()


@pytest.mark.usefixtures("behind_a_captcha")
def test_a_captcha_that_always_stands_there_is_no_outage_and_ends_every_other() -> None:
    ends(Outcome.CAPTCHA, Outcome.CAPTCHA)
    assert of() == []
    ends(Outcome.BLOCKED, Outcome.CAPTCHA, first=3)
    assert of() == [("blocked", 3, 4)]
    ends(Outcome.CAPTCHA, desk="c")
    assert of("c") == [("captcha", 1, None)]


@pytest.mark.rule("4.10")
def test_the_same_reason_again_ends_nothing() -> None:
    ends(Outcome.CAPTCHA)
    with session() as s:
        again = backoff.OutageChange("evry_91/a", NOW + 9 * MINUTE, OutageReason.CAPTCHA)
        backoff.write_outages(s, [again])
    assert of() == [("captcha", 1, None)]


@pytest.mark.parametrize("outcome", [Outcome.BLOCKED, Outcome.RATE_LIMITED])
def test_a_host_s_rest_is_an_outage_of_all_its_desks(outcome: Outcome) -> None:
    ends(outcome)
    assert (of("a"), of("b"), of("c")) == ([(outcome.value, 1, None)], [(outcome.value, 1, None)], [])
    ends(Outcome.NO_SLOTS, desk="b", first=10)
    assert (of("a"), of("b")) == ([(outcome.value, 1, None)], [(outcome.value, 1, 10)])


@pytest.mark.rule("4.10")
def test_a_desk_with_an_outage_keeps_its_own_reason_while_its_host_rests() -> None:
    ends(Outcome.CLOSED, desk="b")
    ends(Outcome.BLOCKED, desk="a", first=2)
    assert of("b") == [("closed", 1, None)]


@pytest.mark.rule("4.10")
def test_a_proof_older_than_the_block_does_not_end_its_outage() -> None:
    ends(Outcome.BLOCKED, first=5)
    ends(Outcome.NO_SLOTS, desk="b", first=4)
    assert of("b") == [("blocked", 5, None)]


@pytest.mark.rule("4.10")
def test_a_stale_result_opens_and_closes_nothing() -> None:
    ends(Outcome.NO_SLOTS, first=9)
    ends(Outcome.CAPTCHA, first=3)
    assert of() == []
