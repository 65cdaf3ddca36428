"""Health of user agents: the age of the measured headers, as browsers of some months ago are rare."""

from datetime import timedelta

from redis import Redis

from api.admin.health.findings import PartDown
from configs.ground.clock import clock
from configs.settings import settings
from configs.world.user_agents import user_agents

_OLD = timedelta(days=60)


def check_agents(_: Redis) -> str:
    """Return the day on which the browsers were measured; outside production it does not matter."""
    day = min(each.measured for each in user_agents().engines.values())
    if not settings().loopback_only and clock().date() - day > _OLD:
        raise PartDown(
            f"browsers were measured on {day}, more than 60 days ago: renew configs/world/user_agents.yaml"
        )
    return f"measured on {day}"
