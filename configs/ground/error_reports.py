"""Error reports to Sentry: each error that a program logs, without personal data. Off where SENTRY_DSN is not set.

The client has no integrations: nothing of a request, a process or a frame's variables is collected. What leaves passes
`build_report` last. https://docs.sentry.io/platforms/python/configuration/options/
"""

import logging
import os
import re
import sys
from typing import TYPE_CHECKING, Any, cast

import structlog

from configs.ground.redaction import remove_personal_data
from configs.settings import settings
from configs.settings.production_checks import is_near_sentry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sentry_sdk import Client
    from sentry_sdk.types import Event

LAST_SECONDS = 1.0  # for reports that wait when a program ends
WAITING = 50  # reports, at most; later ones are dropped
_SDK = "sentry_sdk"  # its own errors are not reported to it
_OURS = ["api", "configs", "crawler", "deploy", "notifier"]
_LONGEST = 300  # characters of an error's text
_READ = 2000  # characters of it that are looked at; what is masked there makes room for more
_BROKEN_END = re.compile(r"[\d\s().+/-]*\S*\Z")  # the word, or the phone number, that the cut has halved
# Fields of log lines that hold ids of rows, or words of our code. All other fields stay in the log.
_IDENTIFIERS = (
    "attempt", "channel", "declaration", "desk", "detection", "export", "invoice", "job", "kind", "language",
    "notification", "object", "part", "payment", "provider", "receipt", "request_id", "row", "state", "work",
)  # fmt: skip
_FRAME = ("filename", "module", "function", "lineno", "in_app")
_MECHANISM = ("type", "handled", "source", "exception_id", "parent_id", "is_exception_group")
_EVENT = ("event_id", "timestamp", "platform", "level", "logger", "release", "environment")

log = structlog.get_logger(__name__)


def make_report_handlers(program: str) -> list[logging.Handler]:
    """Return the handler that reports errors in a program's name; none without SENTRY_DSN, nor is the SDK loaded."""
    if settings().sentry_dsn is None:
        return []
    import sentry_sdk  # noqa: F401, PLC0415 -- at the start, before a program forks: its children share it

    return [ErrorReporter(program)]


class ErrorReporter(logging.Handler):
    """Hands log records of errors to the client of this process, whose thread sends them."""

    def __init__(self, program: str) -> None:
        super().__init__(logging.ERROR)
        self._program = program
        self._client: Client | None = None
        self._pid = 0  # whose client it is: a fork copies the queue, whose reports its parent sends

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a report; with WAITING queued it is dropped, and Sentry says itself when it takes no more."""
        if record.name.partition(".")[0] == _SDK:
            return
        try:
            if self._client is None or self._pid != os.getpid():
                self._client, self._pid = _make_client(), os.getpid()
            self._client.capture_event(_describe(record, self._program, self._client.options))
        except Exception as error:  # noqa: BLE001 -- what cannot be reported must not stop the program
            log.warning("an error cannot be reported", because=type(error).__name__)

    def flush(self) -> None:
        """Wait for the reports of this process, LAST_SECONDS at most; `logging` calls it when the program ends."""
        if self._client and self._pid == os.getpid():
            self._client.flush(timeout=LAST_SECONDS)


def _make_client() -> "Client":
    """Return a client. No integration adds anything to what `build_report` lets through."""
    from importlib.metadata import version  # noqa: PLC0415 -- as the SDK

    from sentry_sdk import Client  # noqa: PLC0415 -- not loaded without a DSN

    # Without this, HTTP_PROXY would lead a report for this machine elsewhere.
    proxy = "" if is_near_sentry(settings()) else None
    return Client(
        dsn=settings().require("sentry_dsn"), transport_queue_size=WAITING, shutdown_timeout=LAST_SECONDS,
        release=f"rdvpriority@{version('rdvpriority')}", environment=settings().app_env, server_name="",
        before_send=lambda event, _: build_report(event), default_integrations=False,
        auto_enabling_integrations=False, auto_session_tracking=False, send_client_reports=False,
        include_local_variables=False, include_source_context=False, max_breadcrumbs=0, in_app_include=_OURS,
        http_proxy=proxy, https_proxy=proxy,
    )  # fmt: skip


def _describe(record: logging.LogRecord, program: str, options: dict[str, Any]) -> "Event":
    """Return a record as an event: the text without its arguments, the ids that it carries, and its error."""
    from sentry_sdk.utils import event_from_exception  # noqa: PLC0415 -- not loaded without a DSN

    line = record.msg if isinstance(record.msg, dict) else {"event": record.msg}
    found: dict[str, Any] = {}
    if error := _find_error(record, line):
        found = cast("dict[str, Any]", event_from_exception(error, client_options=options)[0])
    found |= {
        "level": "fatal" if record.levelno >= logging.CRITICAL else "error",
        "logger": record.name,
        "logentry": {"message": str(line.get("event", ""))},
        "tags": {"program": program},
        "extra": {name: line[name] for name in _IDENTIFIERS if line.get(name) is not None},
    }
    return cast("Event", found)


def _find_error(record: logging.LogRecord, line: "Mapping[str, Any]") -> BaseException | None:
    """Return the exception that a record of `logging`, or of structlog, speaks of."""
    given = record.exc_info or line.get("exc_info")
    if given is True:
        given = sys.exc_info()
    return given[1] if isinstance(given, tuple) else given or None


def build_report(event: "Event") -> "Event":
    """Return what leaves of an event: named fields only, texts without personal data."""
    given = cast("dict[str, Any]", event)
    report: dict[str, Any] = {name: given[name] for name in _EVENT if given.get(name) is not None}
    report["logentry"] = {"message": _shorten(given.get("logentry", {}).get("message"))}
    report["tags"] = {"program": _shorten(given.get("tags", {}).get("program"))}
    extra = given.get("extra", {})
    report["extra"] = {name: _shorten(extra[name]) for name in _IDENTIFIERS if name in extra}
    if errors := given.get("exception", {}).get("values"):
        report["exception"] = {"values": [_build_exception(each) for each in errors]}
    return cast("Event", report)


def _build_exception(error: "Mapping[str, Any]") -> dict[str, Any]:
    frames = (error.get("stacktrace") or {}).get("frames") or []
    return {
        "type": error.get("type"),
        "module": error.get("module"),
        "value": _shorten(error.get("value")),
        "mechanism": _pick(error.get("mechanism") or {}, _MECHANISM),
        "stacktrace": {"frames": [_pick(each, _FRAME) for each in frames]},
    }


def _pick(given: "Mapping[str, Any]", names: tuple[str, ...]) -> dict[str, Any]:
    return {name: given[name] for name in names if given.get(name) is not None}


def _shorten(text: object) -> str:
    """Return the first line without personal data: PostgreSQL and pydantic repeat rows and inputs below it."""
    given = str(text or "")
    read = given[:_READ]
    if len(given) > _READ:
        read = _BROKEN_END.sub("", read)
    return remove_personal_data((read.splitlines() or [""])[0])[:_LONGEST]
