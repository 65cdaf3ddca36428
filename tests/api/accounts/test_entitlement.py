from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.accounts.queries import _find_best, list_plans_above
from api.models.user import Grant
from configs.world.plan import PlanName, plan

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
SOLD = (PlanName.URGENCE_24H, PlanName.URGENCE_7J, PlanName.URGENCE_TOTAL)


def held(name: PlanName, starts: float, ends: float) -> Grant:
    """Make a grant from and to so many hours from now."""
    return Grant(
        user_id=uuid4(),
        plan=name,
        starts_at=NOW + timedelta(hours=starts),
        ends_at=NOW + timedelta(hours=ends),
    )


@pytest.mark.parametrize(
    ("grants", "name", "hours"),
    [
        ([], PlanName.NONE, None),
        ([held(PlanName.URGENCE_24H, 1, 2)], PlanName.NONE, None),
        ([held(PlanName.URGENCE_24H, -2, 0)], PlanName.NONE, None),
        ([held(PlanName.URGENCE_24H, 0, 1)], PlanName.URGENCE_24H, 1),
        ([held(PlanName.URGENCE_7J, -1, 1), held(PlanName.URGENCE_24H, -1, 9)], PlanName.URGENCE_7J, 1),
        ([held(PlanName.URGENCE_24H, -1, 1), held(PlanName.URGENCE_24H, 1, 9)], PlanName.URGENCE_24H, 9),
        ([held(PlanName.URGENCE_24H, -1, 1), held(PlanName.URGENCE_24H, 2, 9)], PlanName.URGENCE_24H, 1),
    ],
)
def test_the_best_plan_that_covers_now_counts_to_the_end_of_what_joins(
    grants: list[Grant], name: PlanName, hours: float | None
) -> None:
    found = _find_best(grants, NOW)
    assert found.plan.name is name
    assert found.ends_at == (None if hours is None else NOW + timedelta(hours=hours))


@given(
    st.lists(
        st.builds(held, st.sampled_from(SOLD), st.floats(-100, 100), st.floats(101, 200)),
        max_size=6,
    )
)
def test_who_holds_a_plan_holds_it_now_and_for_a_time(grants: list[Grant]) -> None:
    found = _find_best(sorted(grants, key=lambda each: each.starts_at), NOW)
    if any(each.covers_moment(NOW) for each in grants):
        assert found.plan.name is not PlanName.NONE
        assert found.ends_at is not None
        assert found.ends_at > NOW
    else:
        assert (found.plan.name, found.ends_at) == (PlanName.NONE, None)


def test_larger_plans_are_offered_cheapest_first() -> None:
    offered = list_plans_above(plan(PlanName.URGENCE_24H))
    assert [each.name for each in offered] == [PlanName.URGENCE_7J, PlanName.URGENCE_TOTAL]
    assert list_plans_above(plan(PlanName.URGENCE_TOTAL)) == []
