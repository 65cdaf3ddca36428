"""Replay of messages that failed for good, by operators."""

from sqlalchemy.orm import Session

import notifier
from api.admin.system.queries import choose_dead_letters
from api.admin.system.schemas import Replay, Replayed


def replay_dead_letters(session: Session, wanted: Replay) -> Replayed:
    """Make dead letters pending again; `nudge` the replayed ids after the commit."""
    chosen = choose_dead_letters(session, wanted)
    replayed = notifier.replay(session, chosen, unsure=wanted.unsure)
    return Replayed(chosen=len(chosen), replayed=replayed)
