"""Liars, by the product's own judgement: what they reach before an operator can know them."""

from datetime import timedelta

import pytest

from tests.crawler.reports.town_figures import simulate
from tests.lab.liars import BOUND, WORLDS


@pytest.mark.parametrize("name", BOUND)
def test_untrusted_liars_alone_and_in_pairs_reach_few_and_suppress_no_opening(name: str) -> None:
    many_openings = WORLDS[name]._replace(between=timedelta(hours=12))
    found = simulate(many_openings, range(2), weeks=2)
    assert found.most_before_list <= 1  # false alarms of a person who did not ask for doubtful ones
    assert found.others.kept_from == 0
