"""Logging set-up of every program: structlog and stdlib logging through one chain, readable or JSON."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.typing import Processor

from configs.formatting import CONTROL
from configs.misspelt_variables import describe_misspelt
from configs.redaction import mask_entry
from configs.settings import AWAY_FROM_LIFE, settings

_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    structlog.processors.StackInfoRenderer(),
)


class _ToStandardError(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """Write to what standard error is now: tests and daemons exchange it."""
        try:
            sys.stderr.write(self.format(record) + "\n")
        except Exception:  # noqa: BLE001 -- a log line that cannot be written must not stop the program
            self.handleError(record)


def set_up_logs(program: str | None = None) -> None:
    """Send everything that is logged to standard error, in LOG_FORMAT from LOG_LEVEL on.

    Each line carries `program` (default: PROGRAM). May be called again; handlers of others are replaced.
    """
    name = program or settings().program
    handler = _ToStandardError()
    handler.setFormatter(_formatter({"program": name} if name else {}))
    root = logging.getLogger()
    root.handlers[:] = [handler]  # not basicConfig(force=True), which closes what it did not open
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
    if settings().app_env not in AWAY_FROM_LIFE:
        for line in describe_misspelt(type(settings()).model_fields):
            structlog.get_logger(__name__).warning(line)


def _formatter(fixed: dict[str, str]) -> logging.Formatter:
    def add_fixed(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {**fixed, **event}

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=list(_SHARED),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            add_fixed,
            structlog.processors.format_exc_info,
            mask_event,
            escape_controls,
            _renderer(),
        ],
    )


def mask_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask every value of a log line; its traceback is text by now, so it is masked too."""
    return {key: mask_entry(key, value) for key, value in event.items()}


def escape_controls(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Escape control characters: what a page says must not speak to the terminal."""
    return {key: _escaped(value) if isinstance(value, str) else value for key, value in event.items()}


def _escaped(text: str) -> str:
    """Escape a text line by line: a traceback has several."""
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
        timestamp_key="at",
        exception_formatter=structlog.dev.plain_traceback,  # a frame's variables may hold anything
    )
