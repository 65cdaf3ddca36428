"""Error reports to Sentry: each error that a program logs, without personal data. Off where SENTRY_DSN is not set.

Sentry's own handler of `logging` makes the events; nothing of a request, a process or a frame's variables is collected.
What leaves passes `build_report` last. https://docs.sentry.io/platforms/python/configuration/options/
"""

import logging
import re
import sys
from collections.abc import Mapping
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast

from configs.ground.redaction import remove_personal_data
from configs.settings import settings
from configs.settings.production_checks import is_near_sentry

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

LAST_SECONDS = 1.0  # for reports that wait when a program ends
WAITING = 50  # reports, at most; later ones are dropped
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


def make_report_handlers(program: str) -> list[logging.Handler]:
    """Return the handler that reports errors in a program's name; none without SENTRY_DSN, nor is the SDK loaded."""
    if settings().sentry_dsn is None:
        return []
    import sentry_sdk  # noqa: PLC0415 -- not loaded without a DSN
    from sentry_sdk.integrations.atexit import AtexitIntegration  # noqa: PLC0415
    from sentry_sdk.integrations.logging import EventHandler  # noqa: PLC0415

    # Without this, HTTP_PROXY would lead a report for this machine elsewhere.
    proxy = "" if is_near_sentry(settings()) else None
    sentry_sdk.init(
        dsn=settings().require("sentry_dsn"), transport_queue_size=WAITING, shutdown_timeout=LAST_SECONDS,
        release=f"rdvpriority@{version('rdvpriority')}", environment=settings().app_env, server_name="",
        before_send=partial(build_report, program), default_integrations=False,
        integrations=[AtexitIntegration(callback=lambda _waiting, _seconds: None)],
        auto_enabling_integrations=False, auto_session_tracking=False, send_client_reports=False,
        include_local_variables=False, include_source_context=False, max_breadcrumbs=0, in_app_include=_OURS,
        http_proxy=proxy, https_proxy=proxy,
    )  # fmt: skip
    handler = EventHandler(logging.ERROR)
    handler.addFilter(_hand_error_over)
    return [handler]


def _hand_error_over(record: logging.LogRecord) -> bool:
    """Put the exception that a line of structlog speaks of where `logging` has it."""
    given = record.msg.get("exc_info") if isinstance(record.msg, dict) else None
    if given is True:
        record.exc_info = sys.exc_info()
    elif isinstance(given, BaseException):
        record.exc_info = (type(given), given, given.__traceback__)
    elif isinstance(given, tuple):
        record.exc_info = given
    return True


def build_report(program: str, event: "Event", hint: "Hint") -> "Event":
    """Return what leaves of an event: named fields only, texts without personal data."""
    record: logging.LogRecord = hint["log_record"]
    line: Mapping[str, Any] = record.msg if isinstance(record.msg, dict) else {"event": record.msg}
    given = cast("dict[str, Any]", event)
    report: dict[str, Any] = {name: given[name] for name in _EVENT if given.get(name) is not None}
    report["logentry"] = {"message": _shorten(line.get("event"))}
    report["tags"] = {"program": program}
    report["extra"] = {name: _shorten(line[name]) for name in _IDENTIFIERS if line.get(name) is not None}
    if errors := given.get("exception", {}).get("values"):
        report["exception"] = {"values": [_build_exception(each) for each in errors]}
    return cast("Event", report)


def _build_exception(error: Mapping[str, Any]) -> dict[str, Any]:
    frames = (error.get("stacktrace") or {}).get("frames") or []
    return {
        "type": error.get("type"),
        "module": error.get("module"),
        "value": _shorten(error.get("value")),
        "mechanism": _pick(error.get("mechanism") or {}, _MECHANISM),
        "stacktrace": {"frames": [_pick(each, _FRAME) for each in frames]},
    }


def _pick(given: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: given[name] for name in names if given.get(name) is not None}


def _shorten(text: object) -> str:
    """Return the first line without personal data: PostgreSQL and pydantic repeat rows and inputs below it."""
    given = str(text or "")
    read = given[:_READ]
    if len(given) > _READ:
        read = _BROKEN_END.sub("", read)
    return remove_personal_data((read.splitlines() or [""])[0])[:_LONGEST]
