"""The fault that sets the programs' clock: the file that they read says so, and only while it lasts."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from configs.clock import clock
from deploy.chaos.faults import Field, clocks
from deploy.chaos.journal import OpeningJournal, Spell

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_the_clock_is_a_day_off_while_the_fault_lasts_and_a_slot_opens_in_either_time(
    field: Field, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file, spell, seen = tmp_path / "offset", Spell("step-clock", clock()), list[str]()
    monkeypatch.setenv(clocks.OFFSET_FILE, str(file))
    monkeypatch.setattr("deploy.chaos.faults.clocks.time.sleep", lambda _: seen.append(file.read_text()))
    clocks.step_clock(field, spell)
    assert seen == [str(spell.clock_offset.total_seconds() if spell.clock_offset else None)]
    assert spell.clock_offset in {DAY, -DAY}
    assert not file.exists()
    assert len(field.journal.openings) == 2


def test_a_fault_that_fails_leaves_the_clock_right(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError), clocks.stepped_clock(tmp_path / "offset", DAY):
        raise TimeoutError
    assert list(tmp_path.iterdir()) == []


def test_what_the_tables_say_in_that_time_is_known_by_its_real_instant() -> None:
    journal = OpeningJournal(spells=[Spell("step-clock", at(0), at(6), clock_offset=-DAY)])
    assert journal.real_instant(at(3) - DAY) == at(3)
    assert journal.real_instant(at(3)) == at(3)
    assert journal.real_instant(at(300) - DAY) == at(300) - DAY
