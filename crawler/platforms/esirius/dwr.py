"""DWR (Direct Web Remoting): a page's script calls Java with lines of text; the answer is JavaScript.

The call is a batch of one, with a line for each value, as DWR's engine.js builds it
(github.com/directwebremoting/dwr, engine.js). The callback is `dwr.engine._remoteHandleCallback` in version 2 and
`dwr.engine.remote.handleCallback` in version 3. The answer is never run: it is parsed as data, or not at all.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from json import loads
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from crawler.reading import PageRequest

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
_WORDS = {"true": True, "false": False, "null": None}
_ESCAPE = re.compile(r"\\(.)|\"")
_DEEPEST = 30


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
        return Reply(_Script(script).run())
    except (ValueError, LookupError, TypeError, OverflowError):
        return None


def _encode(value: Value) -> str:
    if isinstance(value, bool):
        return f"boolean:{str(value).lower()}"
    return f"number:{value}" if isinstance(value, int) else f"string:{quote(str(value), _UNESCAPED)}"


def _text(quoted: str) -> str:
    """Return the value of a JavaScript string; ValueError if its escapes are not JSON's."""
    inner = _ESCAPE.sub(
        lambda each: "'" if each[0] == "\\'" else '\\"' if each[0] == '"' else each[0], quoted[1:-1]
    )
    return str(loads(f'"{inner}"'))


def _tokens(script: str) -> Iterator[tuple[str, str]]:
    """Yield the kind and text of each token; ValueError at anything else."""
    at = 0
    while at < len(script):
        found = _TOKEN.match(script, at)
        if found is None:
            raise ValueError(f"no token at {at}")
        kind = str(found.lastgroup)
        yield kind, found[kind]
        at = found.end()


class _Script:
    """The statements of an answer: variables are assigned, then one is passed to the callback."""

    def __init__(self, script: str) -> None:
        self._known: dict[str, Any] = {}
        self._rest = _tokens(script)
        self._ahead = next(self._rest, None)

    def run(self) -> Any:
        """Return the argument of the callback; ValueError, LookupError or TypeError for any other script."""
        while (name := self._name()) not in _CALLBACKS:
            self._assign(name)
        self._expect("(")
        batch, call_of, value = self._value(), self._next(","), self._next(",")
        self._expect(")", ";")
        if self._ahead or not str(batch).isdecimal() or call_of != _CALL:  # pages number their batches
            raise ValueError("more than one answer, or that of another call")
        return value

    def _assign(self, name: str) -> None:
        if name == "var":
            variable = self._name()
            self._known[variable] = self._next("=")
        else:
            holder, _, key = name.partition(".")
            into, at = self._known[holder], key or self._next("[")
            if not key:
                self._expect("]")
            value = self._next("=")
            if isinstance(into, list) and at == len(into):
                into.append(value)
            elif isinstance(into, dict) and isinstance(at, str):
                into[at] = value
            else:
                raise ValueError(f"{at!r} is no place in {holder}")
        self._expect(";")

    def _value(self, depth: int = 0) -> Any:
        kind, word = self._take()
        if depth > _DEEPEST:
            raise ValueError("too deep")
        if kind == "text":
            return _text(word)
        if kind == "number":
            return loads(word)
        if kind == "name":
            return self._date() if word == "new" else self._look_up(word)
        if word == "[":
            return [value for _, value in self._items("]", depth)]
        if word == "{":
            return dict(self._items("}", depth))
        raise ValueError(f"no value begins with {word}")

    def _items(self, end: str, depth: int) -> Iterator[tuple[Any, Any]]:
        """Yield the pairs of an object, or (None, value) for each value of a list."""
        if self._ahead == ("mark", end):
            self._expect(end)
            return
        while True:
            key = None
            if end == "}":
                kind, word = self._take()
                key = _text(word) if kind == "text" else word
                self._expect(":")
            yield key, self._value(depth + 1)
            kind, word = self._take()
            if word == end:
                return
            if word != ",":
                raise ValueError(f"{word} instead of , or {end}")

    def _look_up(self, name: str) -> Any:
        return _WORDS[name] if name in _WORDS else self._known[name]

    def _date(self) -> datetime:
        """Parse the expression after `new`: a date, in milliseconds."""
        if self._name() != "Date":
            raise ValueError("only dates are created")
        at = self._next("(")
        self._expect(")")
        return datetime.fromtimestamp(at / 1000, UTC)

    def _take(self) -> tuple[str, str]:
        if self._ahead is None:
            raise ValueError("ends in the middle")
        token, self._ahead = self._ahead, next(self._rest, None)
        return token

    def _next(self, mark: str) -> Any:
        self._expect(mark)
        return self._value()

    def _name(self) -> str:
        kind, word = self._take()
        if kind != "name":
            raise ValueError(f"{word} instead of a name")
        return word

    def _expect(self, *marks: str) -> None:
        for mark in marks:
            if self._take() != ("mark", mark):
                raise ValueError(f"{mark} is missing")
