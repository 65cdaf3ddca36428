"""Actions of operators on messages, for the API and the pages: audited, with what follows after the commit."""

import notifier
from api.admin.access import audited
from api.admin.system import service
from api.admin.system.schemas import Replay, Replayed


def replay_dead_letters(wanted: Replay) -> Replayed:
    """Send dead letters again."""
    with audited("dead-letters.replay", "notification") as work:
        done = service.replay_dead_letters(work.session, wanted)
        work.changes["replayed"] = [str(each) for each in done.replayed]
    notifier.nudge(done.replayed)
    return done
