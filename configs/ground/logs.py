"""Logs of every program: structlog and stdlib logging through one chain, readable or JSON, and error reports to Sentry.

Secrets and personal data are masked in both. Reports are off where SENTRY_DSN is not set. Sentry's own handler of
`logging` makes the events; nothing of a request, a process or a frame's variables is collected. What leaves passes
`build_report` last. https://docs.sentry.io/platforms/python/configuration/options/
"""

import logging
import re
import sys
import threading
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

import structlog
from structlog.typing import Processor

from configs.ground.text import CONTROL
from configs.settings import AWAY_FROM_LIFE, settings
from configs.settings.misspelt import describe_misspelt
from configs.settings.production_checks import is_near_sentry

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

MASK = "***"
_GAP = " \u00a0\u2009\u202f.\u2010-\u2013-"  # between the digits of a phone number, in any typography
_SECRET_KEY = re.compile(
    r"passw|secret|authorization|api_?key|(data|link|lookup)_keys?$|(^|_)token$|cookie", re.IGNORECASE
)
# Each pattern matches only at the start of a run of its characters, and takes the whole run: tried at each character
# of a long text, it would take quadratic time.
_PATTERNS = (
    # user:password of an address, before the e-mail pattern takes half of it
    (re.compile(r"(?<=://)[^\s/@:]*:[^\s/@]+(?=@)"), MASK),
    # signed tokens: our links and JWTs (three parts, HMAC-SHA1 or SHA-256 at the end), provider keys
    (re.compile(r"(?<![\w-])[\w-]{8,}+\.[\w-]{5,}+\.(?:[\w-]{43}|[\w-]{27})(?![\w-])"), MASK),
    (re.compile(r"\b(?:[sr]k_(?:live|test)_|whsec_)\w+|\bSG\.[\w-]+\.[\w-]+"), MASK),
    (re.compile(r"(?<=\bBearer )[\w.~+/=-]{8,}"), MASK),
    # hashes by bcrypt: an error of PostgreSQL repeats the row that a constraint refused
    (re.compile(r"\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53}"), MASK),
    # https://core.telegram.org/bots/api#authorizing-your-bot; also behind the `bot` of its addresses
    (re.compile(r"(?<!\d)\d{6,12}:[\w-]{30,}"), MASK),
    (re.compile(r"(?<![\w.%+-])[\w.%+-]++@([\w-]++\.[\w.-]+)"), MASK + r"@\1"),
    (
        re.compile(rf"(?<!\w)(?:\+|00)[1-9](?:[{_GAP}()]{{0,2}}\d){{5,12}}[{_GAP}]?(\d{{2}})(?!\d)"),
        MASK + r"\1",
    ),
    (re.compile(rf"(?<![\w-])0[1-9](?:[{_GAP}]?\d{{2}}){{3}}[{_GAP}]?(\d{{2}})(?![\w-])"), MASK + r"\1"),
)
_CODE_NAME = re.compile(r"[a-z]+(?:_[a-z]+)+")
# Quotations, in any marks: words of a person or a page. One without a closing mark reaches to the end of the text.
_QUOTED = re.compile(
    r"""(?<!\w)[bru]{0,2}'(?P<single>(?:\\.|[^'\\]|'(?=\w))*)(?:'|\Z)"""
    r"""|"(?P<double>(?:\\.|[^"\\])*)(?:"|\Z)"""
    r"""|«[^»]*(?:»|\Z)|[“”„][^“”]*(?:[“”]|\Z)|(?<!\w)\u2018(?:[^’]|’(?=\w))*(?:’|\Z)|\u2039[^\u203a]*(?:\u203a|\Z)|`[^`]*(?:`|\Z)""",
    re.IGNORECASE | re.DOTALL,
)
# Also removed from reports to others: the patterns above leave an address' domain and two digits of a number.
_REMOVED = (
    re.compile(r"\b(?:proxy-)?authorization\b.*|\b(?:set-)?cookie2?\b.*", re.IGNORECASE),
    re.compile(
        r"\b[a-z][a-z0-9+.-]{1,20}://\S+|\bwww\.\S+|(?<![\w.-])(?:[\w-]++\.)+[\w-]+/\S+", re.IGNORECASE
    ),
    re.compile(r"(?<![\w.])/[\w%~][^\s,;)]*"),  # paths: those of our links hold a token
    re.compile(r"(?<!\S)(?=\S*(?:@|%40))\S+", re.IGNORECASE),  # also names of Telegram
    re.compile(r"\bchat(?:[ _]?id)?\W{0,3}_?-?\d+", re.IGNORECASE),
    re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\w)"),
    re.compile(r"(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])", re.IGNORECASE),
    re.compile(rf"(?<![0-9a-f_+])(?<!\w-)(?:\+|00)?\d(?:[{_GAP}()/]{{0,2}}\d){{7,}}(?![\w-])", re.IGNORECASE),
    # long tokens of mixed characters; ids of rows and desks do not look so
    re.compile(r"(?<![\w+/-])(?=[\w+/-]*[a-z])(?=[\w+/-]*[A-Z])(?=[\w+/-]*\d)[\w+/-]{20,}={0,2}"),
    re.compile(r"(?<![\w-])(?=[\w-]*[a-z])(?=[\w-]*[A-Z])[\w-]{20,}(?![\w-])"),
    re.compile(r"(?<![\w-])(?=[a-z]*\d)[a-z\d]{20,}(?![\w-])", re.IGNORECASE),
    re.compile(r"\*\*\*[\w.@-]+"),  # the rest that a mask above left: `***@domain`, `***42`
)
_NEEDED = re.compile(r"[@._$\d]")  # each pattern needs one of these
_PLAIN = (int, float, type(None))
_DEEPEST = 8
# Short texts that need no mask: ids of desks and names of loggers come with each line, ten thousand times in a crowd
_CLEAN: set[str] = set()
_MOST_CLEAN, _LONGEST_CLEAN = 8192, 100  # texts; characters

LAST_SECONDS = 1.0  # for reports that wait when a program ends
WAITING = 50  # reports, at most; later ones are dropped
_OURS = ["api", "configs", "crawler", "deploy", "notifier"]
_LONGEST_ERROR = 300  # characters of an error's text
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
# Characters of a value; of its end, where a traceback names the error
LONGEST_VALUE, _VALUE_END = 20_000, 8_000
_AT = "at"  # the time of a line, ours, whatever a record brings under that name
_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True, key=_AT),
    structlog.processors.StackInfoRenderer(),
)


def mask_text(text: str) -> str:
    """Return the text without e-mail addresses (their domain stays), phone numbers (two digits stay), keys."""
    text = str(text)  # a StrEnum would keep its class
    if text in _CLEAN or not _NEEDED.search(text):
        return text
    masked = text
    for pattern, replacement in _PATTERNS:
        masked = pattern.sub(replacement, masked)
    if masked == text and len(text) <= _LONGEST_CLEAN:
        if len(_CLEAN) >= _MOST_CLEAN:
            _CLEAN.clear()
        _CLEAN.add(text)
    return masked


def remove_personal_data(text: str) -> str:
    """Return a text for a report to others: without links, addresses of any kind, phone numbers, tokens, quotations.

    Ids of rows (UUID) stay, and quoted names of code and tables.
    """
    if text.count('"') % 2:  # it is unknown which marks open a quotation
        text = text[: text.index('"')] + MASK
    text = _QUOTED.sub(_mask_quotation, mask_text(text))
    for pattern in _REMOVED:
        text = pattern.sub(MASK, text)
    return text


def _mask_quotation(found: re.Match[str]) -> str:
    inner = found["single"] or found["double"] or ""
    return found[0] if _CODE_NAME.fullmatch(inner) else MASK


def mask(value: Any, depth: int = 0, write: Callable[[str], str] = mask_text) -> Any:
    """Return the value with each text in its mappings and sequences masked; other objects become text.

    `write` masks each text, and may do more with it.
    """
    if isinstance(value, str):
        return write(value)
    if isinstance(value, _PLAIN):
        return value
    if depth < _DEEPEST and isinstance(value, Mapping):
        return {
            write(key) if isinstance(key, str) else key: mask_entry(key, each, depth + 1, write)
            for key, each in value.items()
        }
    if depth < _DEEPEST and isinstance(value, list | tuple | set | frozenset):
        return [mask(each, depth + 1, write) for each in value]
    return write(repr(value) if isinstance(value, BaseException) else str(value))


def mask_entry(key: object, value: Any, depth: int = 0, write: Callable[[str], str] = mask_text) -> Any:
    """Return a value as `mask` does, or MASK if its key names a secret."""
    if not isinstance(value, _PLAIN) and _SECRET_KEY.search(str(key)):
        return MASK
    return mask(value, depth, write)


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
    return remove_personal_data((read.splitlines() or [""])[0])[:_LONGEST_ERROR]


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
    if len(text) > LONGEST_VALUE:
        left = len(text) - LONGEST_VALUE
        text = f"{text[: LONGEST_VALUE - _VALUE_END]}… ({left} characters) …{text[-_VALUE_END:]}"
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


class OutageLog:
    """One server, part or store that may fail again and again; its caller logs where `begin` and `end` say so."""

    def __init__(self) -> None:
        self._text = ""
        self.kind: object = None

    @property
    def is_open(self) -> bool:
        """Whether the last attempt failed."""
        return bool(self._text)

    def begin(self, text: str, kind: object = None) -> bool:
        """Note a failure; tell whether it is to be logged: the first one, or the first of another `kind`."""
        is_new = not self._text or kind != self.kind
        self._text, self.kind = text or "fails", kind
        return is_new

    def end(self) -> str:
        """Note a success; return the last failure's text where an outage ends, else nothing."""
        text, self._text, self.kind = self._text, "", None
        return text

    def log_change(self, log: logging.Logger, trouble: str) -> None:
        """Warn of a trouble once, and say when it is over; an empty text is a success."""
        if trouble and self.begin(trouble):
            log.warning("%s", trouble)
        elif not trouble and (before := self.end()):
            log.info("over: %s", before)
