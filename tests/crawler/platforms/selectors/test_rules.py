from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from crawler.parsing.absence import Statement
from crawler.platforms.selectors.rules import AbsenceRules, SlotRules
from tests.crawler.pages import page

ROW = "<li class=x><b>Annexe</b> <i>23/11/2026</i> <u>9h30</u> <a href='/rdv/4'>ici</a></li>"


def read(body: str, **rules: Any) -> list[Any]:
    slots = SlotRules(available="li.x", **rules)
    seen = page(f"<ul>{body}</ul>")
    return [slots.slot(seen, each) for each in slots.free(seen)]


def test_what_belongs_to_a_slot_is_read_from_its_element_on() -> None:
    (slot,) = read(ROW, date="i", time="u", place="b", link="a")
    assert (slot.place.key, slot.moment) == ("Annexe", datetime(2026, 11, 23, 8, 30, tzinfo=UTC))
    assert slot.url.endswith("/rdv/4")


def test_without_a_rule_it_is_open_at_the_desks_own_address() -> None:
    (slot,) = read(ROW)
    assert (slot.place.key, slot.moment, slot.url) == ("", None, page("").visit.url)
    (day,) = read(ROW, date="i")
    assert day.moment == date(2026, 11, 23)


@pytest.mark.parametrize("rules", [{"date": "em"}, {"date": "i", "time": "b"}, {"place": "em"}])
def test_what_cannot_be_read_is_no_slot(rules: dict[str, str]) -> None:
    assert read(ROW, **rules) == [None]


def test_a_hidden_slot_is_not_free_but_there_and_a_row_to_be_copied_neither() -> None:
    rules = SlotRules(available="li.x", date="i")
    hidden = page(f"<ul hidden>{ROW}</ul>")
    assert (rules.free(hidden), rules.hides(hidden)) == ([], True)
    assert not rules.hides(page("<ul hidden><li class=x><i>Jour</i></li></ul>"))
    assert not rules.hides(page(f"<template>{ROW}</template>"))


def test_an_absence_is_said_by_a_mark_or_by_words_where_they_are_seen() -> None:
    both = AbsenceRules(no_slot="p.none", no_slot_text="Complet")
    assert both.none(page("<p class=none>Plus rien</p>")) == Statement("Plus rien")
    assert both.none(page("<p class=none></p>")) == Statement("p.none")
    assert both.none(page("<p>COMPLET</p>")) == Statement("Complet")
    for body in ("<p hidden>Complet</p>", "<div hidden><p class=none>x</p></div>", "<p>Incomplet</p>"):
        assert both.none(page(body)) is None


def test_rules_that_cannot_hold_are_refused() -> None:
    with pytest.raises(ValidationError, match="name no_slot_text or no_slot"):
        AbsenceRules()
    with pytest.raises(ValidationError, match="of no use without date"):
        SlotRules(available="a", time="b")
