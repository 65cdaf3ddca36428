"""`python -m notifier.workers`: every worker and the sweep, forked from one parent that is warm."""

import argparse
import gc
import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial

import structlog
from babel.dates import format_date
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import configure_mappers

from api.models.base import database_clock, engine, session
from api.models.key_renewal import note_keys
from api.models.notification import QUEUES, RECEIPTS, WEBHOOKS
from api.models.revision import check_tables
from configs.ground.clock import clock
from configs.ground.logs import set_up_logs
from configs.ground.text import write_time
from configs.programs.jobs import run_worker
from configs.programs.matching_queues import CRITICAL, MANY
from configs.programs.startup import exit_on_config_error
from configs.programs.worker_processes import keep_running
from configs.world.plan import plans
from configs.world.prefecture import prefectures, reload_desk_files
from notifier import sweep
from notifier.channels.batch_sender import providers
from notifier.content import messages
from notifier.matching import match_service
from notifier.message_kinds import kinds

# What the jobs of each queue may call: a worker refuses any other one (configs/programs/jobs.py). `critical`
# matches what few people wait for, `many` what concerns many. Each channel has two queues of its own: no slow or
# limited one holds up another, and no crowd a single alert.
FUNCTIONS: Mapping[str, Collection[str]] = {
    **dict.fromkeys(QUEUES, ("notifier.jobs.deliver",)),
    CRITICAL: ("notifier.jobs.match", "notifier.jobs.catch_up"),
    MANY: ("notifier.jobs.match", "notifier.jobs.rearm"),
    RECEIPTS: ("notifier.jobs.apply_receipts",),
    WEBHOOKS: ("notifier.jobs.deliver_webhooks",),
}

_CROWDS_NICE = 5  # on a busy core: a third of the time that a process of nice value 0 gets
# Objects that were made and live on, after which garbage is collected. By default 700: a message of a crowd leaves
# some, and collections took a fifteenth of a part's time. https://docs.python.org/3/library/gc.html#gc.set_threshold
_COLLECT_AFTER = 10_000
log = structlog.get_logger(__name__)


def preload() -> None:
    """Load and build what the first message needs and no connection: SDKs, clients, texts, files, mappers."""
    configure_mappers()
    messages.warm_up()
    format_date(clock(), "full", locale=messages.FALLBACK)
    write_time(clock(), "medium", locale=messages.FALLBACK)
    prefectures()
    plans()
    kinds()
    providers()


def get_ready(queues: Collection[str]) -> None:
    """Load all that, and ask once what matching asks: a worker's first alert took 37 ms of CPU more than the others."""
    preload()
    if CRITICAL in queues:
        with suppress(DBAPIError), session() as opened:  # while it is away, the first alert connects
            match_service.rehearse(opened, database_clock(opened))


def run(queues: Sequence[str], name: str) -> int:
    """Work on queues, in this order, until stopped or old; return 0: the parent starts the next.

    A worker of crowds lets others go first: beside one, a single alert waits for a core more than for anything else.
    """
    if MANY in queues:
        os.nice(_CROWDS_NICE)
    gc.set_threshold(_COLLECT_AFTER, *gc.get_threshold()[1:])
    return run_worker({queue: FUNCTIONS[queue] for queue in queues}, name, partial(get_ready, queues))


# The queues of each worker, in its order. One does nothing but match, and mail what it matched; a second one helps it
# when it is not busy with many, so that one provider that hangs holds up no matching; a channel has its own, but calls
# and push share one: a call goes first, and waits for one job of push at most. Receivers of webhooks may be
# slow.
_QUEUES = {
    "worker-critical": ("critical",),
    "worker-many": ("critical", "many", "receipts"),
    "worker-email": ("email-single", "email-rest", "many"),
    "worker-sms": ("sms-single", "sms-rest"),
    "worker-telegram": ("telegram-single", "telegram-rest"),
    "worker-webhooks": ("webhooks",),
    "worker-voice": ("voice-single", "push-single", "voice-rest", "push-rest"),
}
CHILDREN: dict[str, Callable[[], int]] = {
    **{name: partial(run, queues, name) for name, queues in _QUEUES.items()},
    "sweep": sweep.main,
}


@exit_on_config_error("the notifier")
def main(given: list[str] | None = None) -> int:
    """Keep them running until told to stop; return 0."""
    parser = argparse.ArgumentParser(prog="python -m notifier.workers", description=__doc__)
    parser.add_argument(
        "--only", action="append", metavar="NAME", choices=CHILDREN, help=f"of {', '.join(CHILDREN)}"
    )
    names = parser.parse_args(given).only or list(CHILDREN)
    set_up_logs("workers")
    check_tables()
    note_keys()
    gc.disable()  # what it frees leaves holes in pages that the children are to share
    preload()
    engine().dispose()  # each worker connects for itself
    log.info("warm, starting", children=names)
    return keep_running({name: CHILDREN[name] for name in names}, reload_desk_files)


if __name__ == "__main__":
    sys.exit(main())
