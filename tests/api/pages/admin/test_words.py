"""Words of operators' pages: every status, outcome and reason has one."""

import pytest

from api.models.desk import DeskStatus
from api.models.incident import IncidentReason
from api.pages.admin import words
from configs.world.desk import Grade, WatchLevel
from configs.world.outcome import Outcome


def test_everything_that_is_shown_has_a_word() -> None:
    assert set(words.DESK_STATUSES) == set(DeskStatus)
    assert set(words.INCIDENT_REASONS) >= set(IncidentReason)
    assert set(words.OUTCOMES) == set(Outcome)
    assert set(words.GRADES) == set(Grade)
    assert set(words.WATCH_LEVELS) == set(WatchLevel)


@pytest.mark.parametrize(("number", "text"), [(0, "0 guichet"), (1, "1 guichet"), (2, "2 guichets")])
def test_french_counts_nothing_in_the_singular(number: int, text: str) -> None:
    assert words.count(number, "guichet", "guichets") == text
