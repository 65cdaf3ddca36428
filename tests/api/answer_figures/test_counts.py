"""`answer_figures`: alerts and answers are counted once, an answer as the value that it has, and outlive their account."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest
import time_machine

from api.background import jobs
from api.deletion.service import delete_account
from api.models.answer import AnswerValue, MatchAnswer
from api.models.answer_figure import NO_PLATFORM, AnswerFigure
from api.models.base import session
from configs.ground.clock import clock
from tests.api.world import PREFECTURES
from tests.clients import People, Person
from tests.factories import BOBIGNY, add_answer, add_user, announce, change, rows

FOUND, TOO_LATE, NOTHING_THERE, STOPPED = AnswerValue
pytestmark = pytest.mark.usefixtures("database", "redis_server", "frozen")

MELUN = "melun_77/titre-sejour"
NOVEMBER = date(2026, 11, 1)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _desks(settings_env: Callable[..., None]) -> None:
    """Read the desk files of the small world."""
    settings_env(PREFECTURES_DIR=PREFECTURES)


def figures(desk_id: str = BOBIGNY, month: date = NOVEMBER) -> tuple[int, ...]:
    """Count; return alerts, found, too late, nothing there and stopped of a desk."""
    jobs.answer_figures()
    found = [each for each in rows(AnswerFigure) if (each.desk_id, each.month) == (desk_id, month)]
    assert len(found) <= 1
    return tuple(
        sum(getattr(each, name) for each in found)
        for name in ("alerts", "found", "too_late", "nothing_there", "stopped")
    )


def answer(value: AnswerValue, desk_id: str = BOBIGNY) -> None:
    add_answer(announce(desk_id=desk_id).match, value)


def test_each_answer_counts_at_its_desk(frozen: time_machine.Traveller) -> None:
    for value, number in ((FOUND, 4), (TOO_LATE, 3), (NOTHING_THERE, 2), (STOPPED, 1)):
        for _ in range(number):
            answer(value)
    answer(FOUND, MELUN)
    announce()
    frozen.shift(2 * HOUR)
    assert figures() == (11, 4, 3, 2, 1)
    assert figures(MELUN) == (1, 1, 0, 0, 0)
    platforms = {each.desk_id: each.platform for each in rows(AnswerFigure)}
    assert NO_PLATFORM not in platforms.values()


def test_a_repetition_counts_nothing_twice(frozen: time_machine.Traveller) -> None:
    answer(FOUND)
    frozen.shift(2 * HOUR)
    assert figures() == figures() == (1, 1, 0, 0, 0)
    frozen.shift(HOUR)
    assert figures() == (1, 1, 0, 0, 0)


def test_the_public_learns_of_nothing_within_the_hour(frozen: time_machine.Traveller) -> None:
    answer(FOUND)
    frozen.shift(HOUR - timedelta(seconds=1))
    assert figures() == (0, 0, 0, 0, 0)
    frozen.shift(2)
    assert figures() == (1, 1, 0, 0, 0)


def test_an_answer_that_changes_after_it_was_counted_is_counted_anew(
    frozen: time_machine.Traveller, settings_env: Callable[..., None]
) -> None:
    settings_env(PUBLIC_DELAY_SECONDS="0")
    told = announce().match
    add_answer(told, FOUND)
    frozen.shift(5)
    assert figures() == (1, 1, 0, 0, 0)
    change(MatchAnswer, MatchAnswer.match_id == told, value=NOTHING_THERE, changed_at=clock())
    assert figures() == (1, 0, 0, 1, 0)
    assert figures() == (1, 0, 0, 1, 0)


def test_answers_outlive_alerts_and_accounts(frozen: time_machine.Traveller, camille: Person) -> None:
    counted, fresh = (announce(camille.id).match for _ in range(2))
    add_answer(counted, TOO_LATE)
    frozen.shift(2 * HOUR)
    assert figures() == (2, 0, 1, 0, 0)
    add_answer(fresh, FOUND)
    with session() as s:
        delete_account(s, camille.id, understood=True)
    assert rows(MatchAnswer) == []
    assert figures() == (2, 1, 1, 0, 0)
    frozen.shift(2 * HOUR)
    assert figures() == (2, 1, 1, 0, 0)


def test_a_deletion_counts_nobody_elses_answers(person: People) -> None:
    answer(FOUND)
    with session() as s:
        delete_account(s, person().id, understood=True)
    assert rows(AnswerFigure) == []


def test_alerts_count_once_each_when_their_first_message_was_accepted(
    frozen: time_machine.Traveller,
) -> None:
    answer(FOUND)
    announce(took=None)
    announce(took=3.0 * 3600)
    frozen.shift(2 * HOUR)
    assert figures() == (1, 1, 0, 0, 0)
    frozen.shift(3 * HOUR)
    assert figures() == (2, 1, 0, 0, 0)


def test_before_the_first_answer_no_alert_counts(frozen: time_machine.Traveller) -> None:
    announce()
    frozen.shift(24 * HOUR)
    assert figures() == (0, 0, 0, 0, 0)
    answer(FOUND)
    frozen.shift(2 * HOUR)
    assert figures() == (1, 1, 0, 0, 0)


def test_a_clock_that_was_ahead_for_a_while_hides_no_later_alert(frozen: time_machine.Traveller) -> None:
    answer(FOUND)
    frozen.shift(timedelta(days=5))
    assert figures() == (1, 1, 0, 0, 0)
    frozen.shift(timedelta(days=-4))
    assert figures() == (1, 1, 0, 0, 0)
    announce()
    frozen.shift(2 * HOUR)
    assert figures() == (2, 1, 0, 0, 0)
    frozen.shift(timedelta(days=5))
    assert figures() == (2, 1, 0, 0, 0)


def test_a_month_ends_at_midnight_utc(frozen: time_machine.Traveller) -> None:
    frozen.move_to("2026-11-30T23:30:00+00:00")
    answer(FOUND)
    frozen.shift(HOUR)
    answer(TOO_LATE)
    frozen.shift(2 * HOUR)
    assert figures() == (1, 1, 0, 0, 0)
    assert figures(month=date(2026, 12, 1)) == (1, 0, 1, 0, 0)


def test_a_desk_that_the_files_no_longer_have_is_of_no_platform(frozen: time_machine.Traveller) -> None:
    answer(FOUND, "bobigny_93/gone")
    frozen.shift(2 * HOUR)
    assert figures("bobigny_93/gone") == (1, 1, 0, 0, 0)
    assert [each.platform for each in rows(AnswerFigure)] == [NO_PLATFORM]


def test_one_person_may_have_many_answers(frozen: time_machine.Traveller) -> None:
    owner = add_user().id
    for _ in range(3):
        add_answer(announce(owner).match, NOTHING_THERE, at=clock())
    frozen.shift(2 * HOUR)
    assert figures() == (3, 0, 0, 3, 0)
