"""DWR (Direct Web Remoting): a page's script calls Java with lines of text; the answer is JavaScript.

The call is a batch of one, with a line for each value, as DWR's engine.js builds it
(github.com/directwebremoting/dwr, engine.js). The callback is `dwr.engine._remoteHandleCallback` in version 2 and
`dwr.engine.remote.handleCallback` in version 3. The answer is never run: it is parsed as data, or not at all.
"""

import re
from collections.abc import Iterator, Mapping
from json import loads
from typing import Any
from urllib.parse import quote

Value = bool | int | str | Mapping[str, int | str]
CALL_PATH = "/dwr/call/plaincall/"
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


def write_call(page: str, name: str, *values: Value) -> str:
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


def read_reply(text: str) -> Any:
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
