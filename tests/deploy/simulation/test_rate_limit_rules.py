"""Rate limits of simulated sites."""

import pytest

from deploy.simulation.rate_limit_rules import Patience, Rule


def answers(rule: Rule, *moments: float) -> list[bool]:
    patience = Patience(rule)
    return [patience.bears(each, begins_visit=True) for each in moments]


def test_the_nth_within_the_window_is_refused_and_all_that_follows() -> None:
    rule = Rule(3, 60, ban=100)
    assert answers(rule, 0, 1, 59.9, 100, 159.8) == [True, True, False, False, False]


def test_what_is_older_than_the_window_does_not_count() -> None:
    assert answers(Rule(3, 60), 0, 30, 60, 90, 120) == [True] * 5


@pytest.mark.parametrize(("prolongs", "last"), [(False, True), (True, False)])
def test_who_asks_during_the_ban_may_prolong_it(prolongs: bool, last: bool) -> None:
    rule = Rule(2, 60, ban=100, prolongs=prolongs)
    assert answers(rule, 0, 1, 90, 120) == [True, False, False, last]


def test_a_rule_in_visits_lets_their_other_requests_pass_and_bans_them_too() -> None:
    patience = Patience(Rule(2, 60, ban=100, counts="visits"))
    visit = [patience.bears(at, begins_visit=at == 0) for at in range(4)]
    assert visit == [True] * 4
    assert not patience.bears(10, begins_visit=True)
    assert not patience.bears(11, begins_visit=False)
    assert [(ban.begins, ban.ends) for ban in patience.bans] == [(10, 110)]
