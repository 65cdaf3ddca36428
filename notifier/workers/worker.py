"""`python -m notifier.workers.worker WORK…`: takes jobs one after the other in this very process, once it is warm."""

import argparse
import logging
import math
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from types import FrameType

import structlog
from babel.dates import format_date, format_time
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError
from rq import SimpleWorker
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer
from rq.worker_registration import REDIS_WORKER_KEYS
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import configure_mappers

from api.models.alert import Moment
from api.models.base import new_id, session
from api.models.notification import Priority
from api.models.slot import Detection
from api.models.user import Channel, Contact, ContactState
from configs.clock import clock
from configs.logs import set_up_logs
from configs.prefecture import prefectures
from configs.redis import redis_client
from configs.startup import exit_on_config_error
from notifier import hourly_cap, match_batches, match_service, matching, notification_writer, nudges
from notifier.channel_base import Acceptance
from notifier.channels import channels
from notifier.content import messages
from notifier.delivery import delivery
from notifier.delivery.retry_policy import on_success
from notifier.message_kind_base import ClaimedRow
from notifier.message_kinds import kinds, mergeable_kinds, prepare_all
from notifier.open_slots import OpenSlots
from notifier.recipients import recipients
from notifier.workers.process_age import leaves_at
from notifier.workers.queues import WORK, names_of, without_retries

_STOP_SECONDS = 1.5  # for the job in hand; its lease outlives us if that is too short
_IDLE_SECONDS = 15
_RETRY_SECONDS = 1.0

log = structlog.get_logger(__name__)


class MessageWorker(SimpleWorker):
    """A worker that leaves at a certain age, and soon after a signal."""

    max_connection_wait_time = 2.0  # RQ's own default waits up to a minute after a lost connection
    log_result_lifespan = False

    def __init__(
        self, queues: list[str], connection: Redis, leaves_at: datetime, stopped: threading.Event
    ) -> None:
        super().__init__(
            queues,
            connection=connection,
            serializer=JSONSerializer,
            worker_ttl=_IDLE_SECONDS + 15,  # RQ waits 15 s less than this for a job
            maintenance_interval=30,
            job_monitoring_interval=5,
            log_job_description=False,
        )
        self.leaves_at = leaves_at
        self.stopped = stopped

    def subscribe(self) -> None:
        """Take no commands through Redis: any client of it could stop the worker."""

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Register again where Redis was emptied or restored from an older state: health counts who listens."""
        if pipeline is None and not self._is_registered():
            log.info("Redis does not know this worker any more: it registers again")
            # The rest of its record would look like another worker of the same name.
            self.connection.delete(self.key)
            self.register_birth()  # type: ignore[no-untyped-call] # RQ's own has no types
        super().heartbeat(timeout, pipeline)

    def _is_registered(self) -> bool:
        # In a restored Redis the sets may name it while its record has expired; heartbeats bring back half of that.
        return bool(
            self.connection.sismember(REDIS_WORKER_KEYS, self.key)
            and self.connection.hexists(self.key, "birth")
        )

    def check_for_suspension(self, burst: bool) -> None:
        """Leave between two jobs when the time has come."""
        if self.stopped.is_set() or clock() >= self.leaves_at:
            raise StopRequested
        super().check_for_suspension(burst)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Finish the job in hand within a second and a half, then leave."""
        self.stopped.set()
        if callable(signal.getsignal(signal.SIGALRM)):
            # Shortens the time RQ gives the job, by the same timer: it ends with RQ's JobTimeoutException.
            signal.setitimer(signal.ITIMER_REAL, _STOP_SECONDS)
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call] # RQ's own has no types

    def work_until_old(self) -> None:
        """Work until told to stop, until old, or until Redis is away."""
        left = (self.leaves_at - clock()).total_seconds()
        self.work(logging_level="WARNING", max_idle_time=max(1, math.ceil(left)))


class _OneLine(logging.Filter):
    """Keeps a Redis that is away from filling the log with tracebacks: what RQ does then is to leave."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if isinstance(error, RedisError):
            record.exc_info, record.msg, record.args = None, f"redis away: {type(error).__name__}", ()
        return True


def preload() -> None:
    """Load and build what the first message needs and no connection: SDKs, clients, texts, files, mappers."""
    configure_mappers()
    messages.warm_up()
    format_date(clock(), "full", locale=messages.FALLBACK)
    format_time(clock(), "medium", locale=messages.FALLBACK)
    prefectures()
    kinds()
    for each in channels().values():
        each.warm_up()


def warm_up() -> None:
    """Preload, then connect, and have the statements built."""
    preload()
    try:
        _warm_up_database()
    except (OperationalError, InterfaceError) as error:
        log.warning("database away: the first job connects", because=type(error.orig).__name__)


def _warm_up_database() -> None:
    """Connect, and let SQLAlchemy build the statements of matching and sending, for ids that do not exist."""
    nobody, now = new_id(), clock()
    nowhere = Detection(id=nobody, desk_id="", prefecture_id="", procedures=[])
    with session() as opened:
        match_service.match_or_part(opened, nobody, now)
        opened.get(Detection, nobody)
        match_batches.take_part(opened, nobody, 0)
        match_batches.finish_detection(opened, nobody, now)
        matching.candidates(opened, nowhere, now, [nobody])
        matching.candidates(opened, nowhere, now, most=1)
        opened.execute(match_service.open_slots(nowhere, now))
        matching.already_notified(opened, "", OpenSlots({0: Moment()}, now), [nobody], now)
        recipients(opened, [nobody], now)
        notification_writer.write(opened, notification_writer.MatchResult(nowhere, (), (), now), now)
        row = ClaimedRow(
            nobody, nobody, Channel.EMAIL, "", "fr", {}, Priority.BULK, 1, None, None, None, 0, now
        )
        for name in mergeable_kinds():
            prepare_all(name, opened, [(row, Contact(id=nobody, address="", state=ContactState.OK))], now)
        hourly_cap.take_turns(opened, [nobody], now)
        delivery.close(opened, [nobody], nobody, on_success(Acceptance("", ""), now))
    delivery.claim([nobody])
    nudges.waiting([nobody])


def serve(queues: list[str], stopped: threading.Event) -> None:
    """Work for one lifetime, through any absence of Redis."""
    end = leaves_at()
    while not stopped.is_set() and clock() < end:
        try:
            MessageWorker(queues, without_retries(redis_client()), end, stopped).work_until_old()
        except RedisError as error:
            log.warning("redis away, trying again", because=type(error).__name__)
        finally:
            _on_signals(stopped.set)  # RQ leaves its own handlers behind
        if clock() < end:
            stopped.wait(_RETRY_SECONDS)


def _on_signals(act: Callable[[], None]) -> None:
    def handle(_number: int, _frame: FrameType | None) -> None:
        act()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)


def run(work: Sequence[str], name: str) -> int:
    """Do that work (words of WORK) until stopped or old; return 0: the parent starts the next."""
    stopped = threading.Event()
    _on_signals(stopped.set)
    set_up_logs(name)
    logging.getLogger("rq.worker").addFilter(_OneLine())
    warm_up()
    log.info("working", on=work)
    try:
        serve([queue for each in work for queue in names_of(each)], stopped)
    except StopRequested:
        log.debug("told to stop between two moments of RQ")
    return 0


@exit_on_config_error("the worker")
def main(given: list[str] | None = None) -> int:
    """Be one worker, under a supervisor of its own."""
    parser = argparse.ArgumentParser(prog="python -m notifier.workers.worker", description=__doc__)
    parser.add_argument("work", nargs="+", metavar="WORK", choices=WORK, help=", ".join(WORK))
    return run(parser.parse_args(given).work, "worker")


if __name__ == "__main__":
    sys.exit(main())
