"""eSirius (eAppointment, by ESII): a page of motives, then a DWR call that says whether a motive has availabilities.

The answer has no hours, so a slot is `open`. The calls are those of the site's own script that reserve nothing;
`dwr/` has others that do.

DWR (Direct Web Remoting): a page's script calls Java with lines of text; the answer is JavaScript. The call is a batch
of one, with a line for each value, as DWR's engine.js builds it (github.com/directwebremoting/dwr, engine.js). The
callback is `dwr.engine._remoteHandleCallback` in version 2 and `dwr.engine.remote.handleCallback` in version 3. The
answer is never run: it is parsed as data, or not at all.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from json import loads
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import quote, urlsplit

from pydantic import BeforeValidator

from configs.ground.formatting import pluralize
from configs.ground.strict_model import Strict
from configs.world.desk import Text
from crawler.parsing.absence import doubt_of
from crawler.parsing.date_windows import day_in_figures
from crawler.parsing.error_pages import read_error_status
from crawler.parsing.html_text import choices, collapse_whitespace, contains_phrase, field_value
from crawler.parsing.json_models import Key
from crawler.parsing.no_slot_phrases import says_none
from crawler.platform_base import Platform, match_address
from crawler.reading import CoveredWindow, Outcome, Page, PageRequest, Place, Reading, Slot, VisitContext

Value = bool | int | str | Mapping[str, int | str]

_CALLED = "/dwr/call/plaincall/"
_BATCH, _CALL = "0", "0"
_UNESCAPED = "!'()*-._~"  # characters that JavaScript's encodeURIComponent keeps
_REPLY = "//#DWR-REPLY"
_FRAME = re.compile(
    r"(?m)^[ \t]*+(?:throw '[^'\n]*';|//#DWR-.*|\(function\(\) ?\{|if ?\(!window\.dwr\) ?return;"
    r"|var dwr ?= ?window\.dwr\._\[\d+\];|\}\)\(\);)[ \t\r]*$"
)
_FAILED = re.compile(r"(?i)\b_?(?:remote\.?)?handle(?:batch)?exception\(")
_STRING = r"\"[^\"\\\n]*+(?:\\.[^\"\\\n]*+)*+\"|'[^'\\\n]*+(?:\\.[^'\\\n]*+)*+'"
_SAID = re.compile(rf"\bmessage:\s*({_STRING})")
_HANDED = "andleCallback("
_CALLBACKS = ("dwr.engine._remoteHandleCallback", "dwr.engine.remote.handleCallback")
_TOKEN = re.compile(
    rf"\s*+(?:(?P<text>{_STRING})|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*)|(?P<mark>[{}\[\](),:;=]))\s*+"
)
_ESCAPE = re.compile(r"\\(.)|\"")
_Token = tuple[str, str]  # its kind and text


class Reply(NamedTuple):
    """The value of a call, or the message of its exception."""

    value: Any = None
    error: str = ""


def build_call(root: str, page: str, name: str, *values: Value) -> PageRequest:
    """Return the request of a call of `Script.method` with these values."""
    script, _, method = name.partition(".")
    body = call(urlsplit(root).path + page, script, method, *values)
    return PageRequest(f"{root}{_CALLED}{name}.dwr", "call", "POST", text=body)


def takes(url: str, method: str, looks: Iterable[str]) -> bool:
    """Tell whether a request may change something: all that send anything, and all calls, except `looks`."""
    path = urlsplit(url).path
    looking = any(path.endswith(f"{_CALLED}{name}.dwr") for name in looks)
    return not looking and (method != "GET" or "/dwr/call/" in path)


def call(page: str, script: str, method: str, *values: Value) -> str:
    """Return the body of a plain call; `page` is the path of the calling page."""
    lines = {"callCount": "1", "page": page, "httpSessionId": "", "scriptSessionId": ""}
    lines |= {"c0-scriptName": script, "c0-methodName": method, "c0-id": _CALL}
    inner = 0
    for number, value in enumerate(values):
        if isinstance(value, Mapping):
            held = {key: f"c0-e{inner + place}" for place, key in enumerate(value, 1)}
            inner += len(held)
            lines |= {name: _encode(value[key]) for key, name in held.items()}
            pairs = ", ".join(f"{quote(key, _UNESCAPED)}:reference:{name}" for key, name in held.items())
            lines[f"c0-param{number}"] = f"Object_Object:{{{pairs}}}"
        else:
            lines[f"c0-param{number}"] = _encode(value)
    lines["batchId"] = _BATCH
    return "".join(f"{name}={value}\n" for name, value in lines.items())


def reply(text: str) -> Reply | None:
    """Parse the answer to a call; None unless it is one complete answer."""
    if _FAILED.search(text):
        said = _SAID.search(text)
        return Reply(error=f"exception: {_text(said[1])}" if said else "an exception")
    script = _FRAME.sub("", text.rpartition(_REPLY)[2])
    if text.count(_HANDED) != 1:
        return None
    try:
        return Reply(_run(script))
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def _encode(value: Value) -> str:
    if isinstance(value, bool):
        return f"boolean:{str(value).lower()}"
    return f"number:{value}" if isinstance(value, int) else f"string:{quote(str(value), _UNESCAPED)}"


def _text(quoted: str) -> str:
    """Return the value of a JavaScript string; ValueError if its escapes are not JSON's."""
    return str(loads(_quote(quoted)))


def _quote(quoted: str) -> str:
    """Return a JavaScript string as JSON writes it."""
    inner = _ESCAPE.sub(
        lambda each: "'" if each[0] == "\\'" else '\\"' if each[0] == '"' else each[0], quoted[1:-1]
    )
    return f'"{inner}"'


def _read_statements(script: str) -> Iterator[list[_Token]]:
    """Yield the tokens of each statement; ValueError at anything else, or where the last one does not end."""
    at, statement = 0, list[_Token]()
    while at < len(script):
        found = _TOKEN.match(script, at)
        if found is None:
            raise ValueError(f"no token at {at}")
        at, kind = found.end(), str(found.lastgroup)
        if found[kind] == ";":
            yield statement
            statement = []
        else:
            statement.append((kind, found[kind]))
    if statement:
        raise ValueError("ends in the middle")


def _run(script: str) -> Any:
    """Return the argument of the callback, to which one of the variables may be passed that are assigned before.

    Raises:
        ValueError, LookupError, TypeError: it is any other script.
    """
    known: dict[str, Any] = {}
    *assignments, callback = _read_statements(script)
    for statement in assignments:
        _assign(statement, known)
    match callback:
        case [("name", called), (_, "("), batch, (_, ","), call_of, (_, ","), *value, (_, ")")]:
            of_ours = called in _CALLBACKS and _value([call_of], known) == _CALL
            if of_ours and str(_value([batch], known)).isdecimal():  # pages number their batches
                return _value(value, known)
    raise ValueError("no answer, or that of another call")


def _assign(statement: list[_Token], known: dict[str, Any]) -> None:
    match statement:
        case [(_, "var"), ("name", variable), (_, "="), *value]:
            known[variable] = _value(value, known)
        case [("name", place), (_, "="), *value]:
            holder, _, key = place.partition(".")
            _put(known[holder], key, _value(value, known))
        case [("name", holder), (_, "["), at, (_, "]"), (_, "="), *value]:
            _put(known[holder], _value([at], known), _value(value, known))
        case _:
            raise ValueError("no assignment")


def _put(into: Any, at: Any, value: Any) -> None:
    if isinstance(into, list) and at == len(into):
        into.append(value)
    elif isinstance(into, dict) and isinstance(at, str):
        into[at] = value
    else:
        raise ValueError(f"{at!r} is no place there")


def _value(tokens: Sequence[_Token], known: Mapping[str, Any]) -> Any:
    """Return the value of a literal or a variable; a literal is read as the JSON that it becomes by quotes."""
    if len(tokens) == 1 and tokens[0][0] == "name" and tokens[0][1] in known:
        return known[tokens[0][1]]
    words = []
    for (kind, word), (_, after) in pairwise([*tokens, ("", "")]):
        is_key = after == ":" and kind in ("name", "number")
        words.append(_quote(word) if kind == "text" else f'"{word}"' if is_key else word)
    return loads("".join(words))


_ADDRESS = re.compile(r"(?P<root>https?://[^/?#]+/[^?#;]*?)/(?:appointment\.do|element/jsp/)\S*$")
_PAGE = "/element/jsp/appointment.jsp"
_CALLS = {
    "motives": "AjaxMotive.motiveMultiSiteSubmit",
    "availabilities": "AjaxSelectionFormFeeder.getUpdatedAvailabilities",
}
_MOST = 50  # motives
_MOTIVES = "selectedMotiveKeyList"
_FIELDS = ("ISiteBeanKeySelect", "serviceBeanKey", "hourValueSelect", "dayValueId")
_CAPTCHA = "//img[contains(@src, '/captcha?') or starts-with(@src, 'captcha?')]"


class EsiriusParameters(Strict):
    """`motives`: their keys (none: all on the page), each with its own request.

    `call`: which of the two calls tells what is free. `no_slot_text`: this site's own words for no slots, if it has
    any.
    """

    motives: tuple[Annotated[Key, BeforeValidator(str)], ...] = ()
    call: Literal["motives", "availabilities"] = "motives"
    no_slot_text: Text | None = None


class Esirius(Platform):
    """eSirius, also called eAppointment, by ESII."""

    SYSTEM = "custom"
    COST = 3  # the entry, the page it redirects to, one call
    EXAMPLE = "https://rdv.prefecture.invalid/eAppointment/appointment.do?sitekey=S1"
    ADDRESS = _ADDRESS
    MARKS = (f"//input[@name='{_MOTIVES}']",)
    Parameters = EsiriusParameters

    def first_request(self, visit: VisitContext) -> PageRequest:
        """Return the request for the entry, which opens the session and chooses the site."""
        _root(visit)
        return PageRequest(visit.url, "entry")

    def read_page(self, page: Page) -> Reading:
        """Read the entry, the page of motives, or the answer to a call."""
        if error := read_error_status(page, entry=page.ask.step == "entry"):
            return error
        return _page(page) if page.is_html else _read_reply(page)

    def is_forbidden(self, url: str, method: str) -> bool:
        """Forbid all requests that send something, except the two calls."""
        return takes(url, method, _CALLS.values())


def _root(visit: VisitContext) -> str:
    return match_address(visit.url, _ADDRESS, "eSirius", "<name>/appointment.do")["root"]


def _page(page: Page) -> Reading:
    if offered := choices(page.root, _MOTIVES):
        return _choice(page, offered)
    if page.root.xpath(_CAPTCHA):
        return Reading(Outcome.CAPTCHA, "a picture to be read stands before the motives")
    if page.ask.step == "entry":
        return Reading(reason="the entry", asks=(PageRequest(f"{_root(page.visit)}{_PAGE}", "motives"),))
    return Reading()


def _choice(page: Page, offered: Mapping[str, str | None]) -> Reading:
    """Request each motive of this desk."""
    wanted = page.visit.parameters
    keys = [key for key in offered if key in (wanted.motives or offered)]
    if not keys or len(keys) > _MOST:
        return Reading(
            Outcome.UNREADABLE, f"of {pluralize(len(offered), 'motive')} {len(keys)} are this desk's"
        )
    root, name = _root(page.visit), _CALLS[wanted.call]
    asks = tuple(
        replace(build_call(root, _PAGE, name, *_values(page, key)), place=Place(key, offered[key]), rank=rank)
        for rank, key in enumerate(page.visit.in_turn(keys))
    )
    return Reading(reason=f"{len(keys)} of {pluralize(len(offered), 'motive')}", asks=asks)


def _values(page: Page, motive: str) -> tuple[Any, ...]:
    """Return the arguments of a call: the server's own places first, then the motive, then the form's values."""
    if page.visit.parameters.call == "motives":
        return False, {motive: 1}
    site, service, hour, day = (field_value(page.root, each) for each in _FIELDS)
    chosen = {"siteKey": site, "serviceKey": service, "startHour": hour, "endHour": hour}
    chosen["dateSelected"] = f"{day_in_figures(day) or page.visit.today}"
    return False, False, {motive: 1}, chosen


def _says_own(message: str, own: str) -> bool:
    """Tell whether a message says the site's own words for none of all that was asked: a motive."""
    return contains_phrase(message, own) and not doubt_of(message, own, asked="motifs?")


def _read_reply(page: Page) -> Reading:
    said = reply(page.text)
    if said is None or said.error:
        return Reading(Outcome.UNREADABLE, f"DWR answers with {said.error}") if said else Reading()
    value, place = said.value, page.ask.place
    found = value.get("foundAvailabilities") if isinstance(value, dict) else None
    if found is True or (isinstance(value, list) and value and all(isinstance(each, dict) for each in value)):
        return Reading(Outcome.SLOTS, "availabilities, no hour named", (Slot(place, None, page.visit.url),))
    words = value.get("msg") if isinstance(value, dict) else None
    message = collapse_whitespace(words) if isinstance(words, str) else ""
    own = page.visit.parameters.no_slot_text
    if value == [] or (
        found is False and (says_none(message, every_day=True) or (own and _says_own(message, own)))
    ):
        covered = (
            CoveredWindow(place.key or None, doubtful=value == []),
        )  # the list is for one day of the form only
        return Reading(Outcome.NO_SLOTS, message or "an empty list of availabilities", covered=covered)
    if found is False:
        return Reading(Outcome.UNREADABLE, f"finds nothing, and says {message[:200]!r}")
    return Reading()
