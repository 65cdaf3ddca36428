"""Logging set-up of every program: structlog and stdlib logging through one chain, readable or JSON."""

import logging
import re
import sys
import threading
from collections.abc import MutableMapping
from contextlib import suppress
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import Processor

from configs.ground.error_reports import make_report_handlers
from configs.ground.redaction import mask_entry, mask_text
from configs.ground.text import CONTROL
from configs.settings import AWAY_FROM_LIFE, settings
from configs.settings.program_settings import describe_misspelt

LONGEST, _END = 20_000, 8_000  # characters of a value; of its end, where a traceback names the error
_AT = "at"  # the time of a line, ours, whatever a record brings under that name
_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True, key=_AT),
    structlog.processors.StackInfoRenderer(),
)


class _ToStandardError(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """Write to what standard error is now: tests and daemons exchange it."""
        try:
            sys.stderr.write(self.format(record) + "\n")
        except Exception as error:  # noqa: BLE001 -- a log line that cannot be written must not stop the program
            said = f"the log line of {record.pathname}:{record.lineno} cannot be written: {error!r}"
            # `logging` itself would print the fields of the line unmasked
            about = logging.LogRecord(
                record.name, logging.ERROR, record.pathname, record.lineno, said, None, None
            )
            with suppress(Exception):  # standard error itself may be away
                sys.stderr.write(self.format(about) + "\n")


def set_up_logs(program: str | None = None) -> None:
    """Send everything that is logged to standard error, in LOG_FORMAT from LOG_LEVEL on, and errors to SENTRY_DSN.

    Each line carries `program` (default: PROGRAM). May be called again; handlers of others are replaced. The error that
    ends the program, or a thread, is logged too.
    """
    name = program or settings().program
    handler = _ToStandardError()
    handler.setFormatter(_formatter({"program": name} if name else {}))
    root = logging.getLogger()
    # not basicConfig(force=True), which closes what it did not open
    root.handlers[:] = [handler, *make_report_handlers(name or "")]
    root.setLevel(settings().log_level.upper())
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    _log_uncaught_errors()
    if settings().app_env not in AWAY_FROM_LIFE:
        for line in describe_misspelt(type(settings()).model_fields):
            structlog.get_logger(__name__).warning(line)


def _log_uncaught_errors() -> None:
    """Log what no code catches, in place of Python's traceback; hooks of others stay."""
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _log_end
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _log_end_of_thread


def _log_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if isinstance(error, Exception):
        structlog.get_logger(__name__).critical("the program ends by an error", exc_info=error)
    else:  # Ctrl-C
        sys.__excepthook__(kind, error, trace)


def _log_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None:
        name = ended.thread.name if ended.thread else None
        structlog.get_logger(__name__).critical(
            "a thread ends by an error", thread=name, exc_info=ended.exc_value
        )


def _formatter(fixed: dict[str, str]) -> logging.Formatter:
    def add_fixed(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {**fixed, **event}

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=list(_SHARED),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            add_fixed,
            structlog.processors.format_exc_info,
            clean_event,
            _renderer(),
        ],
    )


def clean_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask and escape every value of a log line; its traceback is text by now, so it is masked too.

    What a page says must not speak to the terminal.
    """
    return {
        key: value if key == _AT else mask_entry(key, value, write=_clean_text)
        for key, value in event.items()
    }


def _clean_text(text: str) -> str:
    """Mask a text, and escape it line by line: a traceback has several. Of a long one the middle is left out."""
    text = mask_text(text)
    if len(text) > LONGEST:
        left = len(text) - LONGEST
        text = f"{text[: LONGEST - _END]}… ({left} characters) …{text[-_END:]}"
    if text.isprintable():
        return text
    return "\n".join(CONTROL.sub(_escape_found, line) for line in text.replace("\t", "    ").split("\n"))


def _escape_found(found: re.Match[str]) -> str:
    return "".join(f"\\u{ord(each):04x}" for each in found[0])


def _renderer() -> Processor:
    if settings().log_format == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(),
        timestamp_key=_AT,
        exception_formatter=structlog.dev.plain_traceback,  # a frame's variables may hold anything
    )
