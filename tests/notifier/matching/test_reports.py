"""What people report is told without a plan; of what a check saw nobody without one is told."""

import pytest

from api.models.desk import HostState, Source
from api.models.notification import Match
from api.models.slot import SlotRow
from api.models.user import Channel
from configs.ground.clock import clock
from configs.world.plan import PlanName
from configs.world.prefecture import desks
from tests.factories import change, rows, save
from tests.notifier import world

pytestmark = pytest.mark.usefixtures("database")
DESK = f"{world.PREFECTURE}/naturalisation-evry"
WAYS = (Channel.EMAIL, Channel.SMS, Channel.TELEGRAM, Channel.PUSH)
FREE = {Channel.EMAIL, Channel.TELEGRAM, Channel.PUSH}


def see(source: Source, desk_id: str = DESK) -> list[Channel]:
    """Have slots seen by checks or people, and matched; return the channels of the messages that were written."""
    made = world.slots(desk_id=desk_id, place=source)
    change(SlotRow, SlotRow.id.in_(made), source=source)
    world.matched(world.detection(made, desk_id, source=source))
    return [each.channel for each in world.notifications()]


def test_without_a_plan_an_alert_is_told_of_reports_and_of_nothing_that_a_check_saw() -> None:
    world.alert(world.person(None, WAYS), world.for_procedure())
    assert see(Source.CHECK) == []
    assert see(Source.CHECK, world.DESK) == []
    assert {*see(Source.REPORT)} == FREE


def test_a_round_catches_up_on_reports_alone() -> None:
    see(Source.CHECK)
    see(Source.REPORT)
    waiting = world.alert(world.person(None), {"desk_id": DESK})
    world.rearm(waiting, DESK)
    ((_, slot),) = world.told_pairs()
    assert world.get(SlotRow, slot).source is Source.REPORT


def test_a_plan_adds_its_channels() -> None:
    world.alert(world.person(PlanName.URGENCE_24H, WAYS), {"desk_id": DESK})
    assert {*see(Source.REPORT)} == FREE
    world.alert(world.person(PlanName.URGENCE_TOTAL, (Channel.SMS,)), {"desk_id": DESK})
    change(SlotRow, gone_at=clock(), gone_reason="lapsed")
    assert Channel.SMS in see(Source.REPORT)


def test_an_operators_stop_of_the_host_ends_messages_too() -> None:
    world.alert(world.person(None), {"desk_id": DESK})
    save(HostState(host=desks()[DESK].host, stopped_at=clock(), stop_reason="asked to", updated_at=clock()))
    assert see(Source.REPORT) == []


@pytest.mark.parametrize(
    ("plan", "waiting", "told"), [(None, 0, 3), (None, 1, 2), (PlanName.URGENCE_TOTAL, 0, 4)]
)
def test_alerts_that_outlived_their_plan_are_told_up_to_three(
    plan: PlanName | None, waiting: int, told: int
) -> None:
    """Mixed ones: of a desk that checks see, too."""
    who = world.person(plan)
    for _ in range(4):
        world.alert(who, {"desk_id": DESK}, {"desk_id": world.DESK})
    for _ in range(waiting):
        world.alert(who, {"desk_id": DESK}, enabled=False, awaits_watch=True)
    see(Source.REPORT)
    assert len(rows(Match)) == told
