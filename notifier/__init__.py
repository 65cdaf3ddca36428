"""Front door of the notifier: what other programs may call. What is behind it is loaded at the first call."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import configs  # noqa: F401 -- before structlog, which it loads without what it does not need

if TYPE_CHECKING:
    from notifier.content.messages import write_bot_line, write_title
    from notifier.dead_letters import replay_by_id as replay
    from notifier.delivery.match_nudge import get_ready
    from notifier.delivery.match_nudge import match as detection_seen
    from notifier.delivery.message_writer import (
        create_notifications,
        notify_address,
        raise_alarm,
        repeat_alarm,
        write_to_contacts,
    )
    from notifier.delivery.nudges import catch_up, nudge
    from notifier.jobs import deliver_here as deliver
    from notifier.matching.message_edits import mark_gone_slots
    from notifier.message_kinds import is_secret, list_operator_kinds
    from notifier.receipts.receiving import is_genuine, receive

__all__ = [
    "catch_up",
    "create_notifications",
    "deliver",
    "detection_seen",
    "get_ready",
    "is_genuine",
    "is_secret",
    "list_operator_kinds",
    "mark_gone_slots",
    "notify_address",
    "nudge",
    "raise_alarm",
    "receive",
    "repeat_alarm",
    "replay",
    "write_bot_line",
    "write_title",
    "write_to_contacts",
]

# By module: the names there.
_ROOMS = {
    "content.messages": ("write_bot_line", "write_title"),
    "dead_letters": ("replay_by_id",),
    "jobs": ("deliver_here",),
    "delivery.match_nudge": ("get_ready", "match"),
    "matching.message_edits": ("mark_gone_slots",),
    "message_kinds": ("is_secret", "list_operator_kinds"),
    "delivery.message_writer": (
        "create_notifications",
        "notify_address",
        "raise_alarm",
        "repeat_alarm",
        "write_to_contacts",
    ),
    "delivery.nudges": ("catch_up", "nudge"),
    "receipts.receiving": ("is_genuine", "receive"),
}
_BEHIND = {name: room for room, names in _ROOMS.items() for name in names}
_NAMES = {"deliver": "deliver_here", "detection_seen": "match", "replay": "replay_by_id"}


def __getattr__(name: str) -> Any:
    """Return what is behind the door: https://peps.python.org/pep-0562/."""
    if name not in __all__:
        raise AttributeError(f"the notifier has no {name!r}")
    behind = _NAMES.get(name, name)
    return getattr(import_module(f"notifier.{_BEHIND[behind]}"), behind)
