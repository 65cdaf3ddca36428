"""Queues of jobs, and the workers of each.

`critical` matches, and delivers at once what one person is told. `many` matches what concerns many, part by part.
`receipts` applies what providers say later. Each channel has its own, one per priority, so that a slow or limited one
holds up no other.
"""

from collections.abc import Collection, Mapping

from api.models.notification import RECEIPTS, Priority, queue_of
from api.models.user import Channel
from configs.matching_queues import CRITICAL, MANY, MATCHING

WORK = (*MATCHING, RECEIPTS, *(channel.value for channel in Channel))  # what a worker can be started for


# What the jobs of each queue may call: a worker refuses any other one (configs/listed_jobs.py).
FUNCTIONS: Mapping[str, Collection[str]] = {
    CRITICAL: ("notifier.jobs.match", "notifier.jobs.catch_up"),
    MANY: ("notifier.jobs.match_part", "notifier.jobs.rearm", "notifier.jobs.tell_open"),
    RECEIPTS: ("notifier.jobs.apply_receipts",),
    **{
        queue_of(channel, priority): ("notifier.jobs.deliver",)
        for channel in Channel
        for priority in Priority
    },
}


def names_of(work: str) -> list[str]:
    """Return the queues behind a word of WORK, in the order in which they are worked on."""
    if work in (*MATCHING, RECEIPTS):
        return [work]
    return [queue_of(Channel(work), priority) for priority in Priority]
