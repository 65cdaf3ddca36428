"""Charset of a page: bytes decoded as a browser decodes them, and signs that a text was read or written in a wrong one.

https://html.spec.whatwg.org/#determining-the-character-encoding, https://encoding.spec.whatwg.org/#names-and-labels
"""

import re
from codecs import getincrementaldecoder

from w3lib.encoding import html_body_declared_encoding, http_content_type_encoding, read_bom

# The charsets that browsers read, by Python's names. Python has more codecs. Some take quadratic time (punycode), some
# turn visible text into markup (unicode_escape).
_CHARSET = re.compile(
    r"utf-(?:8|16(?:-[bl]e)?)|cp(?:125[0-8]|866|874|932|949)|iso8859-(?:[2-8]|1[03-6])|koi8-[ru]|mac-roman|gb18030"
    r"|big5hkscs|euc_jp|iso2022_jp"
)
# Beginnings of a declaration of XML in two bytes a character
_WIDE_XML = {b"<\0?\0x\0": "utf-16-le", b"\0<\0?\0x": "utf-16-be"}
# Letters of French texts in UTF-8, as other charsets read their bytes.
_TWICE = {
    letter.encode().decode(charset, "replace")
    for letter in "àâäçéèêëîïôöùûüÿœæÀÂÃÄÇÉÈÊËÎÏÔÖÙÛÜŒ©®"
    "\u2019\u2018\u201c\u201d\u2013\u2014\u2026\u20ac\xab\xbb\xb0\xa0"
    for charset in ("cp1252", "latin-1", "iso8859-15", "mac-roman", "cp850")
}
_LOWER, _UPPER = "a-zß-öø-ÿœ", "À-ÖØ-ÞŒŠŽŸ"
_LOST = "\ufffd\x80-\x84\x86-\x9f"
# A capital letter with an accent, a sign or a letter of another script, which stands inside of no word.
_FOREIGN = (
    f"{_UPPER}\u0192\u02c6\u02dc\u201a\u201e\u2020\u2021\u2030\u0370-\u03bb\u03bd-\u1dff\u2500-\u25ff"
    "\u2c00-\ud7ff\uf900-\ufaff\uff66-\uffdc"
)
_FIRST = "".join(sorted({re.escape(each[0]) for each in _TWICE}))
# One class of characters stands first, which `re` finds ten times as fast as it tries each text in turn.
_DAMAGE = re.compile(
    f"[{_LOST}{_FOREIGN}{_FIRST}]"
    f"(?:(?<=[{_LOST}])|(?<=Ã)(?<!\\wÃ)(?!\\w)|(?<=[{_LOWER}][{_FOREIGN}])[{_FOREIGN}]?[{_LOWER}]|(?<=[{_FIRST}])(?:"
    + "|".join(f"(?<={re.escape(each[0])}){re.escape(each[1:])}" for each in sorted(_TWICE))
    + "))"
)
_ESCAPED = re.compile(
    r"(?i)&(?:[a-z](?:acute|grave|circ|cedil|uml)|#\d{2,5}|#x[\da-f]{2,4});|\\u00[\da-f]{2}"
)
# A letter that became a question mark, in no address and no template: `d?cembre`.
_QUESTIONED = re.compile(r"(?<![\w./=&?%-])[^\W\d_]+\?[a-z](?!\S{0,200}[=:}])")
# A letter with an accent in UTF-7, which no browser reads: `d+AOk-cembre`. https://www.rfc-editor.org/rfc/rfc2152
_UTF_7 = re.compile(r"\+A[M-P][A-Za-z\d+/]{1,60}-")
_JSON_ESCAPE = re.compile(r"\\u([\da-fA-F]{4})")


def decode(body: bytes, content_type: str | None, *, markup: bool) -> tuple[str, str]:
    """Return a body's text and its charset: of its byte order mark, its header, or its markup, as in browsers.

    Without a known one markup is UTF-8 if it is valid, else windows-1252; anything else is UTF-8. What cannot be
    decoded is U+FFFD, and so is NUL.
    """
    charset = (
        read_bom(body)[0]
        or _WIDE_XML.get(body[:6])
        or _pick_known(http_content_type_encoding(content_type))
        or (markup and _find_declared(body))
        or ("cp1252" if markup and not _is_utf8(body) else "utf-8")
    )
    text = body.decode(charset, "replace").removeprefix("\ufeff")
    return text.replace("\0", "\ufffd") if "\0" in text else text, charset  # UTF-16 under another name


def _pick_known(name: str | None) -> str:
    """Return a charset that w3lib found, by Python's name; empty for one that browsers do not read."""
    name = "utf-16-le" if name == "utf-16" else name or ""
    return name if _CHARSET.fullmatch(name) else ""


def _find_declared(body: bytes) -> str:
    """Return the charset that the first 4,096 bytes of markup declare; empty without one that is known."""
    name = _pick_known(html_body_declared_encoding(body))
    return "utf-8" if name.startswith("utf-16") else name  # it was read byte by byte to find the label


def _is_utf8(body: bytes) -> bool:
    try:
        getincrementaldecoder("utf-8")().decode(body)  # the last character may be cut off
    except UnicodeDecodeError:
        return False
    return True


def is_damaged(text: str) -> bool:
    """Tell whether a text has lost letters: it was decoded or written in a wrong charset, or encoded twice."""
    return any(damage.search(text) for damage in (_QUESTIONED, _UTF_7, _DAMAGE))


def shows_escapes(text: str) -> bool:
    """Tell whether a text that people read shows letters as escapes of HTML or JSON: it was escaped twice."""
    return _ESCAPED.search(text) is not None


def unescape_json(text: str) -> str:
    """Return a text of JSON or JavaScript with the characters that it escapes."""
    return _JSON_ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), text)
