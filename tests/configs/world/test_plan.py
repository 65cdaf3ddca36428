"""The plans: what is sold for how much, and what a wrong plans.yaml says."""

from configs.world.plan import plans


def test_the_plans_are_those_that_the_outside_relies_on() -> None:
    assert {
        each.name.value: (
            each.price_cents,
            each.duration_seconds,
            each.recurring,
            each.alerts,
            each.interval_seconds,
        )
        for each in plans().values()
    } == {
        "NONE": (0, None, False, 0, None),
        "URGENCE_24H": (499, 24 * 3600, False, 1, 120),
        "URGENCE_7J": (1499, 7 * 24 * 3600, False, 3, 60),
        "URGENCE_TOTAL": (2999, None, True, None, 30),
    }
    assert {each.currency for each in plans().values()} == {"eur"}
