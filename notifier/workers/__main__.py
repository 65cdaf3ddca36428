"""`python -m notifier.workers`: every worker and the sweep, forked from one parent that is warm."""

import argparse
import gc
import sys
from collections.abc import Callable
from functools import partial

import structlog

from api.models.base import engine
from api.models.key_losses import find_lost_data_keys, log_lost_keys, record_keys_at_start
from api.models.revision import check_tables
from configs.connection_limits import check_connections
from configs.database import database_url
from configs.logs import set_up_logs
from configs.prefork import keep_running
from configs.startup import exit_on_config_error
from notifier import sweep
from notifier.workers import worker

# The queues of each worker, in its order. One does nothing but match, and mail what it matched; a second one helps it
# when it is not busy with many, so that one provider that hangs holds up no matching; a channel has its own, but calls
# and push share one: a call goes first, and waits for one job of push at most.
_QUEUES = {
    "worker-critical": ("critical",),
    "worker-many": ("critical", "many", "receipts"),
    "worker-email": ("email-single", "email-rest", "many"),
    "worker-sms": ("sms-single", "sms-rest"),
    "worker-telegram": ("telegram-single", "telegram-rest"),
    "worker-voice": ("voice-single", "push-single", "voice-rest", "push-rest"),
}
CHILDREN: dict[str, Callable[[], int]] = {
    **{name: partial(worker.run, queues, name) for name, queues in _QUEUES.items()},
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
    check_connections(database_url())
    gc.disable()  # what it frees leaves holes in pages that the children are to share
    record_keys_at_start("notifier")
    log_lost_keys(find_lost_data_keys)
    worker.preload()
    engine().dispose()  # each worker connects for itself
    structlog.get_logger(__name__).info("warm, starting", children=names)
    return keep_running({name: CHILDREN[name] for name in names})


if __name__ == "__main__":
    sys.exit(main())
