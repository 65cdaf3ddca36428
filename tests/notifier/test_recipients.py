import pytest

from api.models.user import Channel
from configs.world.plan import PlanName
from notifier.matching.recipients import allowed


@pytest.mark.parametrize(
    ("channel", "plans", "expected"),
    [
        (Channel.EMAIL, ["URGENCE_24H"], True),
        (Channel.SMS, ["URGENCE_24H", "URGENCE_7J"], False),
        (Channel.SMS, [PlanName.URGENCE_24H, PlanName.URGENCE_TOTAL], True),
        (Channel.TELEGRAM, ["NONE"], False),
        (Channel.EMAIL, [], False),
    ],
)
def test_one_plan_that_has_the_channel_is_enough(channel: Channel, plans: list[str], expected: bool) -> None:
    assert allowed(channel, plans) is expected
