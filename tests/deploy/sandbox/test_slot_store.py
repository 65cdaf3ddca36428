"""The open slots of a site: what is opened, taken, and past."""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from deploy.sandbox.control_error import Refusal
from deploy.sandbox.platforms.ezbooking.departments import DEPARTMENTS
from deploy.sandbox.slot_store import HOURS, SlotStore
from deploy.sandbox.stand_in_types import Form, Planning

START = datetime(2026, 11, 20, 9, tzinfo=UTC)
NOW = int(START.timestamp())
ONE, OTHER = Planning(1, "Guichet A"), Planning(2, "Guichet B")
FORM = Form(7, "Démarche", (ONE, OTHER))


def make() -> SlotStore:
    return SlotStore([FORM], random.Random(1))


@given(st.sets(st.integers(NOW + 1, NOW + 10**6)), st.sets(st.integers(NOW + 1, NOW + 10**6)))
def test_open_is_what_was_opened_and_not_taken(opened: set[int], taken: set[int]) -> None:
    with time_machine.travel(START, tick=False):
        agenda = make()
        agenda.open_at(ONE, opened)
        assert agenda.take(ONE, taken) == sorted(opened & taken)
        assert agenda.slots(ONE) == sorted(opened - taken)
        assert agenda.is_open(FORM) == bool(opened - taken)
        assert agenda.slots(OTHER) == []


def test_a_slot_that_has_begun_is_no_longer_open() -> None:
    agenda = make()
    with time_machine.travel(START, tick=False) as clock:
        agenda.open_at(ONE, [NOW + 60, NOW + 120])
        clock.shift(timedelta(seconds=60))
        assert agenda.slots(ONE) == [NOW + 120]
        with pytest.raises(Refusal, match="must lie in the future"):
            agenda.open_at(ONE, [NOW + 60])


@given(st.integers(1, 30), st.integers(5, 60))
def test_slots_of_our_choice_are_new_and_at_counter_hours(count: int, days: int) -> None:
    with time_machine.travel(START, tick=False):
        agenda = make()
        first = agenda.open_some(ONE, count, days=days)
        second = agenda.open_some(ONE, 1, days=days)
        assert len({*first, *second}) == count + 1
        for slot in (*first, *second):
            moment = datetime.fromtimestamp(slot, ZoneInfo("Europe/Paris"))
            assert moment.time() in HOURS
            assert moment.weekday() < 5
            assert moment.date() <= START.date() + timedelta(days=days)


def test_a_form_that_is_not_there_is_refused_or_made_up_with_a_place_of_its_own() -> None:
    with pytest.raises(Refusal, match="no form 8"):
        make().form(8)
    agenda = SlotStore([FORM], random.Random(1), any_form=True)
    made_up = agenda.form(8)
    assert agenda.form(8) is made_up
    assert agenda.form(7) is FORM
    assert not {planning.number for planning in made_up.plannings} & {ONE.number, OTHER.number}
    with pytest.raises(Refusal, match="no form 0"):
        agenda.form(0)


def test_more_than_there_are_hours_is_refused() -> None:
    with pytest.raises(Refusal, match="counter hours are left in the next 7 days"):
        make().open_some(ONE, 200, days=7)


def test_numbers_are_unique_over_all_departments() -> None:
    forms = [form for department in DEPARTMENTS for form in department.forms]
    plannings = [planning for form in forms for planning in form.plannings]
    assert len({form.number for form in forms}) == len(forms)
    assert len({planning.number for planning in plannings}) == len(plannings)
    assert all(form.asks_planning == (len(form.plannings) > 1) for form in forms)
