"""eSirius (eAppointment, by ESII): a page of motives, then a DWR call that says whether a motive has availabilities.

The answer has no hours, so a slot is `open`. The calls are those of the site's own script that reserve nothing;
`dwr/` has others that do.

DWR (Direct Web Remoting): a page's script calls Java with lines of text; the answer is JavaScript. The call is a batch
of one, with a line for each value, as DWR's engine.js builds it (github.com/directwebremoting/dwr, engine.js). The
callback is `dwr.engine._remoteHandleCallback` in version 2 and `dwr.engine.remote.handleCallback` in version 3. The
answer is never run: it is parsed as data, or not at all.
"""

import re
from collections.abc import Iterator, Mapping
from json import loads
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

from pydantic import BeforeValidator

from configs.ground.strict_model import Strict
from configs.ground.text import pluralize
from configs.world.desk import Text
from crawler.parsing.absence import doubt_of
from crawler.parsing.dates import day_in_figures
from crawler.parsing.error_pages import read_error_status
from crawler.parsing.html_text import choices, field_value
from crawler.parsing.json_models import Key
from crawler.parsing.no_slot_phrases import says_none
from crawler.parsing.normal_form import collapse_whitespace, contains_phrase
from crawler.platforms import Platform, match_address
from crawler.reading import CoveredWindow, Outcome, Page, PageRequest, Place, Reading, Slot, VisitContext

Value = bool | int | str | Mapping[str, int | str]

_CALLED = "/dwr/call/plaincall/"
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
_STATEMENT = re.compile(rf"\s*+((?:{_STRING}|[^;\"'])*+);\s*+")
_ASSIGNMENT = re.compile(
    rf"(?s)(?:var\s+(?P<new>[\w$]+)|(?P<holder>[\w$]+)(?:\.(?P<key>[\w$]+)|\[(?P<at>\d+|{_STRING})\]))\s*=(?P<value>.*)"
)
# Pages number their batches; ours is the only call in its batch.
_CALLBACK = re.compile(
    r"(?s)dwr\.engine\.(?:_remoteHandle|remote\.handle)Callback\("
    r"\s*(?P<mark>['\"]?)\d+(?P=mark)\s*,\s*(?:'0'|\"0\")\s*,(?P<value>.*)\)\s*"
)
_WORD = re.compile(
    rf"(?P<text>{_STRING})|(?P<word>[A-Za-z_$][\w$]*+|-?\d++(?:\.\d++)?(?:[eE][+-]?\d++)?)(?P<colon>\s*+:)?"
)
_ESCAPE = re.compile(r"\\(.)|\"")


class CallFailed(Exception):
    """The server answers a call with an exception; the text is its message."""


def call(page: str, name: str, *values: Value) -> str:
    """Return the body of a call of `Script.method` with these values; `page` is the path of the calling page."""
    script, _, method = name.partition(".")
    lines = {"callCount": "1", "page": page, "httpSessionId": "", "scriptSessionId": ""}
    lines |= {"c0-scriptName": script, "c0-methodName": method, "c0-id": "0"}
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
    lines["batchId"] = "0"
    return "".join(f"{name}={value}\n" for name, value in lines.items())


def _encode(value: bool | int | str) -> str:
    if isinstance(value, bool):
        return f"boolean:{str(value).lower()}"
    return f"number:{value}" if isinstance(value, int) else f"string:{quote(value, _UNESCAPED)}"


def reply(text: str) -> Any:
    """Return what a call returned.

    Raises:
        CallFailed: it returned nothing.
        ValueError, LookupError, TypeError, RecursionError: the text is no complete answer to one call.
    """
    if _FAILED.search(text):
        said = _SAID.search(text)
        raise CallFailed(f"exception: {loads(_quote(said[1]))}" if said else "an exception")
    *assignments, callback = _statements(_FRAME.sub("", text.rpartition(_REPLY)[2]))
    found = _CALLBACK.fullmatch(callback)
    if not found or text.count(_HANDED) != 1:
        raise ValueError("no answer, or that of another call")
    known: dict[str, Any] = {}
    for statement in assignments:
        _assign(statement, known)
    return _value(found["value"], known)


def _statements(script: str) -> Iterator[str]:
    at = 0
    while at < len(script):
        if not (found := _STATEMENT.match(script, at)):
            raise ValueError("ends in the middle")
        yield found[1]
        at = found.end()


def _assign(statement: str, known: dict[str, Any]) -> None:
    """Give a variable its value, or a key of it, or the end of a list."""
    if not (found := _ASSIGNMENT.fullmatch(statement)):
        raise ValueError("no assignment")
    value = _value(found["value"], known)
    if found["new"]:
        known[found["new"]] = value
        return
    into = known[found["holder"]]
    at = found["key"] or _value(found["at"], known)
    if isinstance(into, list) and at == len(into):
        into.append(value)
    elif isinstance(into, dict) and isinstance(at, str):
        into[at] = value
    else:
        raise ValueError(f"{at!r} is no place there")


def _value(written: str, known: Mapping[str, Any]) -> Any:
    """Return the value of a variable or a literal; a literal is read as the JSON that it becomes by quotes."""
    if (name := written.strip()) in known:
        return known[name]
    return loads(_WORD.sub(_write_json, written))


def _write_json(found: re.Match[str]) -> str:
    if found["text"]:
        return _quote(found[0])
    return f'"{found["word"]}":' if found["colon"] else found[0]


def _quote(quoted: str) -> str:
    """Return a JavaScript string as JSON writes it."""
    inner = _ESCAPE.sub(
        lambda each: "'" if each[0] == "\\'" else '\\"' if each[0] == '"' else each[0], quoted[1:-1]
    )
    return f'"{inner}"'


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
        path = urlsplit(url).path
        looks = any(path.endswith(f"{_CALLED}{name}.dwr") for name in _CALLS.values())
        return not looks and (method != "GET" or "/dwr/call/" in path)


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
    url, caller = f"{root}{_CALLED}{name}.dwr", urlsplit(root).path + _PAGE
    asks = tuple(
        PageRequest(
            url,
            "call",
            "POST",
            text=call(caller, name, *_values(page, key)),
            place=Place(key, offered[key]),
            rank=rank,
        )
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
    try:
        value, place = reply(page.text), page.ask.place
    except CallFailed as failure:
        return Reading(Outcome.UNREADABLE, f"DWR answers with {failure}")
    except (ValueError, LookupError, TypeError, RecursionError):
        return Reading()
    found = value.get("foundAvailabilities") if isinstance(value, dict) else None
    if found is True or (isinstance(value, list) and value and all(isinstance(each, dict) for each in value)):
        return Reading(Outcome.SLOTS, "availabilities, no hour named", (Slot(place, None, page.visit.url),))
    words = value.get("msg") if isinstance(value, dict) else None
    message = collapse_whitespace(words) if isinstance(words, str) else ""
    own = page.visit.parameters.no_slot_text
    if value == [] or (
        found is False and (says_none(message, every_day=True) or (own and _says_own(message, own)))
    ):
        # The list is for one day of the form only.
        covered = (CoveredWindow(place.key or None, doubtful=value == []),)
        return Reading(Outcome.NO_SLOTS, message or "an empty list of availabilities", covered=covered)
    if found is False:
        return Reading(Outcome.UNREADABLE, f"finds nothing, and says {message[:200]!r}")
    return Reading()
