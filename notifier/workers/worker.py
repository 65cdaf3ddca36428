"""`python -m notifier.workers.worker WORK…`: takes jobs one after the other in this very process, once it is warm."""

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from dataclasses import replace

import structlog
from babel.dates import format_date, format_time
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import configure_mappers

from api.models.alert import Moment
from api.models.base import engine, new_id, session
from api.models.notification import Priority
from api.models.slot import Detection
from api.models.user import Channel, Contact, ContactState
from configs.clock import clock
from configs.database_errors import passes
from configs.job_queues import connect, redis
from configs.job_worker import run_worker
from configs.prefecture import prefectures
from configs.startup import exit_on_config_error
from notifier import hourly_cap, match_batches, match_service, matching, notification_writer, nudges
from notifier.channel_base import Acceptance, StoredText
from notifier.channels import providers_of
from notifier.content import messages, text_files
from notifier.delivery import delivery
from notifier.delivery.retry_policy import on_success
from notifier.message_kind_base import ClaimedRow
from notifier.message_kinds import kind_of, kinds, mergeable_kinds
from notifier.open_slots import OpenSlots
from notifier.recipients import recipients
from notifier.workers.queues import FUNCTIONS, WORK, names_of

_CROWDS_NICE = 5  # on a busy core: a third of the time that a process of nice value 0 gets
# Objects that were made and live on, after which garbage is collected. By default 700: a message of a crowd leaves
# some, and collections took a fifteenth of a part's time. https://docs.python.org/3/library/gc.html#gc.set_threshold
_COLLECT_AFTER = 10_000
log = structlog.get_logger(__name__)


def preload() -> None:
    """Load and build what the first message needs and no connection: SDKs, clients, texts, files, mappers."""
    configure_mappers()
    text_files.warm_up()
    format_date(clock(), "full", locale=messages.FALLBACK)
    format_time(clock(), "medium", locale=messages.FALLBACK)
    prefectures()
    kinds()
    for channel in Channel:
        for _, provider in providers_of(channel):
            provider.warm_up()


def warm_up() -> None:
    """Preload, then connect, and have the statements built."""
    preload()
    try:
        _warm_up_database()
    except DBAPIError as error:
        if not passes(error):
            raise
        log.warning("database away: the first job connects", because=type(error.orig).__name__)


def get_ready() -> None:
    """Warm up, and connect to Redis: a provider's breaker is asked there before each call."""
    warm_up()
    connect()


def warm_up_before_fork() -> None:
    """Warm up, then disconnect: the workers share the statements' memory, and each connects for itself."""
    warm_up()
    engine().dispose()
    redis().connection_pool.disconnect()


def _warm_up_database() -> None:
    """Connect, and let SQLAlchemy build the statements of matching and sending, for ids that do not exist."""
    nobody, now = new_id(), clock()
    nowhere = Detection(id=nobody, desk_id="", prefecture_id="", procedures=[])
    with session() as opened:
        match_service.match_detection(opened, nobody, now)
        opened.get(Detection, nobody)
        match_batches.take_part(opened, nobody, 0)
        match_batches.finish_detection(opened, nobody, now)
        matching.candidates(opened, nowhere, now, [nobody])
        matching.candidates(opened, nowhere, now, most=1)
        matching.read_matched(opened, OpenSlots({0: Moment()}, now), [nobody], now, tried_since=now)
        recipients(opened, [nobody], now)
        notification_writer.write(opened, notification_writer.MatchResult(nowhere, (), (), now), now)
        row = ClaimedRow(
            nobody, nobody, Channel.EMAIL, "", "fr", {}, Priority.BULK, 1, None, None, None, None, 0, now
        )
        for name in mergeable_kinds():
            kind_of(name).prepare_all(
                opened, [(row, Contact(id=nobody, address="", state=ContactState.OK))], now
            )
        hourly_cap.read_turns(opened, [nobody], nobody, now)
        accepted = replace(on_success(Acceptance("", ""), now), said=StoredText("", ""))
        delivery.close(opened, [nobody], nobody, accepted)
    delivery.claim([nobody])
    nudges.waiting([nobody])


def run(work: Sequence[str], name: str) -> int:
    """Do that work (words of WORK) until stopped or old; return 0: the parent starts the next.

    A worker of crowds lets others go first: beside one, a single alert waits for a core more than for anything else.
    """
    if "many" in work:
        os.nice(_CROWDS_NICE)
    gc.set_threshold(_COLLECT_AFTER, *gc.get_threshold()[1:])
    functions = {queue: FUNCTIONS[queue] for each in work for queue in names_of(each)}
    return run_worker(functions, name, get_ready)


@exit_on_config_error("the worker")
def main(given: list[str] | None = None) -> int:
    """Be one worker, under a supervisor of its own."""
    parser = argparse.ArgumentParser(prog="python -m notifier.workers.worker", description=__doc__)
    parser.add_argument("work", nargs="+", metavar="WORK", choices=WORK, help=", ".join(WORK))
    return run(parser.parse_args(given).work, "worker")


if __name__ == "__main__":
    sys.exit(main())
