"""Lines of the status, for the terminal and the operators' page: each part's fields by name, and from when one is odd.

Fields are shown as their names and values say: `…_seconds` is a length of time, `…_at` an instant, an empty value
nothing. What a part is called, and each field, is a matter of the words (Words).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from api.admin.health.findings import PartAway, PartState
from configs.ground.clock import clock
from configs.ground.text import format_duration

GOOD, WARN, BAD = "good", "warn", "bad"  # tones
_LATE, _LATE_MESSAGE = 1.0, 10.0  # seconds; more shows that something is slow
_MOST_NAMED = 30


class Piece(NamedTuple):
    """A part of a line. `field` and `value` tell what it is of, so that a page can lead there."""

    text: str
    tone: str = ""
    field: str = ""
    value: Any = None


Line = list[Piece]


@dataclass(frozen=True, slots=True)
class Words:
    """Words of the lines; without a label a field is called by its name, and a value is shown as it is.

    `empty` says of a part, of one of its records or of a field what it means that nothing is there.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    empty: Mapping[str, str] = field(default_factory=dict)
    sign: str = " "  # between label and value
    ago: str = "{} ago"
    left: str = "{} left"
    more: str = "and {} more"
    none: str = "none"
    share: str = "{:.0f}%"
    well: str = "well: {}"
    away: str = "does not answer: {}"
    write_time: Callable[[timedelta], str] = format_duration
    write_number: Callable[[float], str] = "{:,.4g}".format


def _above(bad: float | None, warn: float | None = None) -> Callable[[Any], str]:
    def judge(value: Any) -> str:
        number = value or 0
        return BAD if bad is not None and number > bad else WARN if warn is not None and number > warn else ""

    return judge


def _always(tone: str) -> Callable[[Any], str]:
    return lambda value: tone if value else ""


def _by_word(words: Mapping[str, str], other: str = "") -> Callable[[Any], str]:
    return lambda value: words.get(str(value), other)


_SOME, _WAITS = _above(0), _above(None, 0)
# From when a field warns or is bad.
_TONES: Mapping[str, Callable[[Any], str]] = {
    "health.state": _by_word({PartState.DOWN: BAD, PartState.DEGRADED: WARN}),
    "alarms.id": _always(BAD),
    "desks.newest_check_at": lambda at: "" if at else BAD,
    "by_status": _by_word({"ACTIVE": GOOD, "ERROR": BAD}, WARN),
    "troubles.status": _by_word({"ERROR": BAD}, WARN),
    "stopped.host": _always(BAD), "resting.host": _always(WARN), "reduced.host": _always(WARN),
    "outages.desk": _always(WARN),
    "due.latest_seconds": _above(_LATE), "due.held_back": _WAITS,
    "lateness.p95_seconds": _above(_LATE),
    "jobs.jobs": _WAITS, "jobs.oldest_seconds": _above(_LATE), "jobs.failed": _SOME,
    "runs.result": _by_word({"failed": BAD}), "runs.due_at": _always(WARN),
    "counts": _by_word({"failed": BAD}),
    "messages.on_the_way": _WAITS, "messages.oldest_seconds": _above(_LATE_MESSAGE, 0),
    "messages.unmatched": _WAITS, "messages.oldest_unmatched_seconds": _above(_LATE_MESSAGE, 0),
    "dead.number": _SOME,
    "providers.failed": _SOME, "providers.again": _WAITS, "left_alone": _by_word({}, BAD),
    **dict.fromkeys(("payments.events", "payments.commands", "payments.unknown"), _WAITS),
    **dict.fromkeys([f"payments.{name}" for name in (
        "given_up", "failed_refunds", "late_refunds", "differences", "late_declarations", "late_files",
        "ledger_unread",
        "left_alone_seconds",
    )], _SOME),
    "proofs.waiting": _WAITS, "proofs.given_up": _SOME, "proofs.pictureless": _WAITS,
    **dict.fromkeys(("proofs.away_since", "proofs.away"), _always(BAD)),
    "last.cut": _always(WARN), "last.found": _WAITS, "drifts.reason": _always(WARN),
    "spiders.state": _by_word({"serving": GOOD}, WARN),
    "workers.failed": _WAITS,
    "programs.state": _by_word({"RUNNING": GOOD}, BAD),
}  # fmt: skip
# Where nothing is there; else that is good.
_EMPTY = {"due": BAD, "hosts": GOOD, "spiders": BAD, "workers": BAD, "proofs": WARN, "runs": WARN}
_QUIET = frozenset({"health", "jobs", "runs"})  # of which what is well is named in one line
_CUT = frozenset({"alarms", "dead", "drifts", "outages", "reduced", "resting", "runs", "stopped", "troubles"})
_BARE = frozenset({
    "away", "channel", "desk", "desks", "detail", "error", "host", "id", "job", "machine", "name", "reason", "result",
    "state", "status", "store", "subject", "system", "trouble", "queues", "children",
})  # fmt: skip
_SINCE = frozenset(
    {"away_since", "due_at", "oldest_at", "since", "started"}
)  # instants of which the age is shown
_WORDS_OF_OURS = frozenset({"channel", "reason", "result", "state", "status"})
_NO_ZERO = frozenset({"left_alone_seconds"})  # whose name says a trouble
_SKIPPED = frozenset({"programs.pid", "proofs.at", "runs.planned_at"})
_LONGEST = {"spiders.job": 8, "workers.name": 12}


def list_lines(part: str, found: Any, words: Words, most: int) -> list[Line]:
    """Return the lines of a part; of a list that may be long `most`, and how many more there are."""
    if isinstance(found, PartAway):
        return [[Piece(words.away.format(found.down), BAD)]]
    if isinstance(found, list | tuple):
        return _list_records(part, found, words, most)
    values = found or {}
    nested = {name: each for name, each in values.items() if isinstance(each, list | tuple | dict)}
    flat = {name: each for name, each in values.items() if name not in nested}
    head = list(_list_pieces(part, flat, words, zeros=True))
    lines = [line for name, each in nested.items() for line in _list_nested(part, name, each, words, most)]
    return [*([head] if head else []), *lines] or [[Piece(_say_empty(words, part), _EMPTY.get(part, ""))]]


def _list_nested(part: str, name: str, found: Any, words: Words, most: int) -> list[Line]:
    group = part if name == "open" else name
    if name == "late_refunds":  # sentences
        lines = [[Piece(each, WARN)] for each in found]
    elif isinstance(found, list | tuple):
        lines = _list_records(group, found, words, most) if found or name == "open" else []
    elif name in ("pace", "last"):
        lines = [list(_list_pieces(name, found, words))]
    else:  # numbers by word
        lines = [list(_list_counts(name, found, words))]
    label = _call(words, part, name)
    return [[Piece(label), *line] if name != "open" else line for line in lines if line]


def _list_records(group: str, found: Sequence[Mapping[str, Any]], words: Words, most: int) -> list[Line]:
    if not found:
        return [[Piece(_say_empty(words, group), _EMPTY.get(group, GOOD))]]
    lines = [list(_list_pieces(group, each, words)) for each in found]
    quiet = Piece(_say_empty(words, group))
    lines = [[*line, quiet] if len(line) == 1 and group not in _QUIET else line for line in lines]
    well: list[str] = []
    if group in _QUIET:
        is_odd = [any(piece.tone in (WARN, BAD) for piece in line) for line in lines]
        well = [str(next(iter(each.values()))) for each, odd in zip(found, is_odd, strict=True) if not odd]
        lines = [line for line, odd in zip(lines, is_odd, strict=True) if odd]
    if group in _CUT and len(lines) > most:
        lines = [*lines[:most], [Piece(words.more.format(len(lines) - most))]]
    if group == "dead":
        lines.insert(0, [Piece(str(sum(each["number"] for each in found)), BAD)])
    if group == "outages":
        reasons = Counter(str(each["reason"]) for each in found)
        lines.insert(0, [Piece(str(len(found)), WARN), *_list_counts("reasons", reasons, words)])
    if well:
        named = ", ".join(well) if len(well) <= _MOST_NAMED else str(len(well))
        lines.append([Piece(words.well.format(named), GOOD)])
    return lines


def _list_pieces(
    group: str, values: Mapping[str, Any], words: Words, *, zeros: bool = False
) -> Iterator[Piece]:
    for name, value in values.items():
        key = f"{group}.{name}"
        tone = _TONES.get(key, lambda _: "")(value)
        shows_zero = zeros and value == 0 and value is not False and name not in _NO_ZERO
        if key in _SKIPPED or (not value and not tone and not shows_zero):
            continue
        if isinstance(value, dict):
            yield from _list_counts(name, value, words)
            continue
        yield Piece(_describe(group, name, value, words), tone, name, value)


def _list_counts(name: str, counts: Mapping[str, Any], words: Words) -> Iterator[Piece]:
    """Yield numbers by word; those of left_alone are seconds."""
    tone = _TONES.get(name, lambda _: "")
    for word, number in counts.items():
        if number:
            text = f"{_say(words, word)}{words.sign}{_write_number(name, number, words)}"
            yield Piece(text, tone(word), name, word)


def _describe(group: str, name: str, value: Any, words: Words) -> str:
    """Return a field with its label; what speaks for itself has none."""
    label = _call(words, group, name)
    if value is True:
        return label
    if isinstance(value, datetime):
        return _describe_instant(label, name, value, words)
    if isinstance(value, int | float) and name != "id":
        return f"{label}{words.sign}{_write_number(name, value, words)}"
    text = _write_text(group, name, value, words)
    return text if name in _BARE else f"{label}{words.sign}{text}"


def _describe_instant(label: str, name: str, at: datetime, words: Words) -> str:
    if name == "until":
        return words.left.format(words.write_time(max(at - clock(), timedelta())))
    time = words.write_time(max(clock() - at, timedelta()))
    return f"{label} {time if name in _SINCE else words.ago.format(time)}"


def _write_text(group: str, name: str, value: Any, words: Words) -> str:
    if isinstance(value, list):
        more = len(value) - 1
        cut = name == "desks" and more
        return f"{value[0]} {words.more.format(more)}" if cut else ", ".join(map(str, value))
    if value is None:
        return _say_empty(words, name)
    text = str(value)
    if name in _WORDS_OF_OURS and (group, name) != ("health", "reason"):
        text = _say(words, text)
    return text[: _LONGEST.get(f"{group}.{name}", _LONGEST.get(name, len(text)))]


def _write_number(name: str, value: float, words: Words) -> str:
    if name.endswith("_seconds") or name == "left_alone":
        return words.write_time(timedelta(seconds=value))
    return words.share.format(100 * value) if name == "share" else words.write_number(value)


def _say_empty(words: Words, name: str) -> str:
    return words.empty.get(name, words.none)


def _say(words: Words, value: str) -> str:
    return words.values.get(value, value)


def _call(words: Words, group: str, name: str) -> str:
    short = name.removesuffix("_seconds").removesuffix("_at").removesuffix("_ms")
    return words.labels.get(f"{group}.{name}", words.labels.get(name, short.replace("_", " ")))
