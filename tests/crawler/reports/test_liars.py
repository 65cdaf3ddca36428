"""Liars, by the product's own judgement: what they reach before an operator can know them."""

from datetime import timedelta

import pytest

from tests.crawler.reports.town import World
from tests.crawler.reports.town_figures import count_lost_pairs, simulate
from tests.lab.liars import AIMED, BOUND, TRUSTED, WORLDS


@pytest.mark.parametrize("name", BOUND)
def test_untrusted_liars_alone_and_in_pairs_reach_few_and_suppress_no_opening(name: str) -> None:
    many_openings = WORLDS[name]._replace(between=timedelta(hours=12))
    found = simulate(many_openings, range(2), weeks=2)
    assert found.most_before_list <= 1  # false alarms of a person who did not ask for doubtful ones
    assert found.others.kept_from == 0


@pytest.mark.parametrize("size", [2, 4, 10])
@pytest.mark.parametrize("minutes", [2, 5, 12, 60])
def test_a_pair_that_lies_before_a_release_hides_it_from_nobody_for_five_minutes(
    size: int, minutes: int
) -> None:
    found = simulate(AIMED[f"{size} accounts, {minutes} min before"], range(1), weeks=3)
    assert max(found.doubters.hidden, found.others.hidden) <= 5  # minutes
    assert found.paid <= 1  # of one opening, by SMS or call


@pytest.mark.parametrize("name", [name for name in TRUSTED if "operator" not in name])
def test_who_earned_trust_tells_nobody_more_than_two_lies_a_day(name: str) -> None:
    assert simulate(TRUSTED[name], range(1), weeks=2).others.most_a_day <= 2


def test_hardly_any_honest_people_seem_to_be_one_where_half_are_on_ipv6() -> None:
    assert count_lost_pairs(World(100, has_ipv6=True)) <= 0.05
