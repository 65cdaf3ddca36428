"""Front door of the notifier: what other programs may call. What is behind it is loaded at the first call.

A spider calls `detection_seen`, which knows neither tables nor channels. Loading those took 90 ms, 500 beside a crawl
at full speed, at the first slot that a process sees; slots are so rare that this was most of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any
from uuid import UUID

import configs  # noqa: F401 -- before structlog, which it loads without what it does not need

if TYPE_CHECKING:
    from notifier.content.messages import write_title as write_title
    from notifier.content.messages import write_words as write_words
    from notifier.dead_letters import replay as replay
    from notifier.delivery.message_writer import create_notifications as create_notifications
    from notifier.delivery.message_writer import notify_address as notify_address
    from notifier.delivery.message_writer import raise_alarm as raise_alarm
    from notifier.delivery.message_writer import repeat_alarm as repeat_alarm
    from notifier.delivery.message_writer import write_to_contacts as write_to_contacts
    from notifier.delivery.nudges import ask_catch_up as ask_catch_up
    from notifier.delivery.nudges import ask_deliver as ask_deliver
    from notifier.jobs import deliver_here as deliver_here
    from notifier.matching.message_edits import mark_gone_slots as mark_gone_slots
    from notifier.message_kinds import is_secret as is_secret
    from notifier.message_kinds import list_operator_kinds as list_operator_kinds
    from notifier.receipts import is_genuine as is_genuine
    from notifier.receipts import store_receipts as store_receipts
    from notifier.webhooks import write_event as write_event
    from notifier.webhooks import write_test_event as write_test_event

# By module: the names there.
_ROOMS = {
    "content.messages": "write_title write_words",
    "dead_letters": "replay",
    "delivery.message_writer": "create_notifications notify_address raise_alarm repeat_alarm write_to_contacts",
    "delivery.nudges": "ask_catch_up ask_deliver",
    "jobs": "deliver_here",
    "matching.message_edits": "mark_gone_slots",
    "message_kinds": "is_secret list_operator_kinds",
    "receipts": "is_genuine store_receipts",
    "webhooks": "write_event write_test_event",
}
_BEHIND = {name: room for room, names in _ROOMS.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Return what is behind the door: https://peps.python.org/pep-0562/."""
    if name not in _BEHIND:
        raise AttributeError(f"the notifier has no {name!r}")
    return getattr(import_module(f"notifier.{_BEHIND[name]}"), name)


def get_ready() -> None:
    """Connect, so that the first slot of a process is announced like the others. Never raises because Redis is away."""
    import_module("configs.programs.jobs").connect()


def detection_seen(detection_id: UUID, times: int = 0) -> bool:
    """Have a detection matched, after its commit; `times` is how often it was nudged before.

    Return whether it is in the queue. Never raises because Redis is away: one warning, and the sweep finds the row.
    """
    from redis.exceptions import RedisError  # noqa: PLC0415 -- at the first call, as the next two
    from structlog import get_logger  # noqa: PLC0415

    from configs.programs import jobs, matching_queues  # noqa: PLC0415

    seconds, job_id = matching_queues.MATCH_SECONDS, f"match-{detection_id}-{times}"
    try:
        jobs.push(
            matching_queues.CRITICAL, "notifier.jobs.match", (str(detection_id),), job_id,
            seconds=seconds, kept=jobs.KEPT_SECONDS,
        )  # fmt: skip
    except RedisError as error:
        get_logger(__name__).warning("not nudged, the sweep will", what="match", because=type(error).__name__)
        return False
    return True
