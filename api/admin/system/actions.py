"""Actions of operators on messages, for the API and the pages: audited, with what follows after the commit."""

import notifier
from api.admin.access import audited
from api.admin.system import service
from api.admin.system.schemas import Replay, Replayed
from api.errors import ApiError


def replay_dead_letters(wanted: Replay, *, refuse_none: bool = False) -> Replayed:
    """Send dead letters again.

    Raises:
        api.errors.ApiError: 409, none fits, with `refuse_none`.
    """
    with audited("dead-letters.replay", "notification") as work:
        done = service.replay_dead_letters(work.session, wanted)
        if refuse_none and not done.chosen:
            raise ApiError(409, "nothing-left", "no dead letter fits: another replay took them")
        work.changes["replayed"] = [str(each) for each in done.replayed]
    notifier.nudge(done.replayed)
    return done
