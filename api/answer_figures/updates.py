"""Update of the figures of answers, which a background job runs."""

from api.answer_figures import counts, slot_lives
from api.detections.queries import get_public_cutoff
from api.models.base import session
from configs.ground.clock import clock


def update_figures() -> int:
    """Count and sum up what the public may know of by now; return how many rows were written.

    Each step is a transaction, and a repetition changes nothing.
    """
    now, until = clock(), get_public_cutoff()
    with session() as s:
        written = counts.count_answers(s, until, now)
    with session() as s:
        written += counts.count_alerts(s, until, now)
    with session() as s:
        months = slot_lives.find_months_to_sum(s, until, now)
    for month in months:
        with session() as s:
            written += slot_lives.sum_month(s, month, until, now)
    return written
