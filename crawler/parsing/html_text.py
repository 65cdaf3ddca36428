"""Text of HTML pages: what a person sees, in one normal form; phrases regardless of spelling, fields.

Every reader takes a page's text from here, so that all see the same words and hide the same parts. Bytes are decoded as
a browser decodes them, and signs that a text was written or read in a wrong charset are found.
https://html.spec.whatwg.org/#determining-the-character-encoding, https://encoding.spec.whatwg.org/#names-and-labels
"""

import re
import unicodedata
from codecs import getincrementaldecoder
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice, pairwise

from lxml import etree, html
from w3lib.encoding import html_body_declared_encoding, http_content_type_encoding, read_bom

from configs.ground.text import CONTROL

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
_MONTH = "janvier|février|mars|avril|mai|juin|juillet|août|septembre|octobre|novembre|décembre"
_DAY = re.compile(rf"\bsemaine \d|(?<![\w/.])\d{{1,2}}(?:er)?(?: ?[/.-] ?\d{{1,2}}\b| (?:{_MONTH})\b)")
_PIECE = re.compile(r"\w+|[^\w\s]")
_LONGEST = 100  # characters of a heading
_MARK = "_hidden_"  # the attribute that `parse_document` gives to each element that is not shown
CONCEALED = f"@{_MARK}"
_ASIDE = ("noscript", "textarea", "title")  # text outside the page's own text
UNSEEN = " or ".join(f"ancestor::{each}" for each in _ASIDE)
HIDDEN = f"{UNSEEN} or ancestor-or-self::*[{CONCEALED}]"  # XPath: an invisible element
# Elements without content in a browser, and elements that are hidden or show other content than their own:
# https://html.spec.whatwg.org/#hidden-elements, https://html.spec.whatwg.org/#embedded-content
_EMPTY = ("iframe", "noembed", "noframes")
_NEVER_SHOWN = (
    "audio", "canvas", "datalist", "fencedframe", "meter", "object", "progress", "rp", "video",
    "defs", "desc", "metadata", "symbol",  # of SVG
)  # fmt: skip
_STYLE = re.compile(
    r"(?<![\w-])(?:display:none|visibility:(?:hidden|collapse)|content-visibility:hidden"
    r"|opacity:(?:0*\.)?0+%?(?:!|;|$)|font-size:0+(?:px|r?em|%)?(?:!|;|$)|(?:left|top|text-indent):-\d{3,}"
    r"|clip:rect\(0|clip-path:inset\((?:50|100)%|transform:scale\(0(?:\.0+)?\))"
)
_CUT_OFF = re.compile(r"(?<![\w-])(?:max-)?(?:height|width):0(?:px)?(?:!|;|$)")
_STYLED = etree.XPath("//@hidden/.. | //@style/..")  # `//*[@hidden or @style]` takes three times as long
_BREAK = re.compile(r"[\n\r]")
_STYLE_BLANK = re.compile(r"\s+|/\*.*?\*/")
# Directives by which a script shows an element or does not. Vue removes its own once it has run. Other frameworks
# leave theirs, and set a style or a class.
_VUE = ("v-if", "v-else", "v-else-if", "v-show", "v-for", "v-bind:hidden", ":hidden")
_ANGULAR = ("ng-", "ng:", "data-ng-", "x-ng-")
_LEFT = (
    *(
        f"{prefix}{name}"
        for prefix in _ANGULAR
        for name in ("if", "show", "hide", "repeat", "repeat-start", "switch-when", "switch-default")
    ),
    *("x-show", "x-show.important", "x-show.transition", "x-bind:hidden", "*ngif", "*ngfor", "[hidden]"),
    *("if.bind", "show.bind", "hide.bind", "repeat.for"),
)
_BOUND = ("visible", "hidden", "if", "ifnot", "foreach", "with")  # Knockout's
_HIDING = frozenset(("hidden", "style", "popover", "data-bind", *_VUE, *_LEFT))
# Marks in extracted text where an inline element, and where a block begins or ends; no text has these characters.
_SEAM, _BLOCK = "\ufdd0", "\ufdd1"
_BLOCKS = (
    "address|article|aside|blockquote|body|br|button|caption|center|col|colgroup|dd|details|dialog|dir|div|dl|dt"
    "|fieldset|figcaption|figure|footer|form|frame|frameset|h1|h2|h3|h4|h5|h6|head|header|hgroup|hr|html|iframe|img"
    "|input|legend|li|listing|main|menu|nav|object|ol|optgroup|option|p|plaintext|pre|search|section|select|summary"
    "|table|tbody|td|textarea|tfoot|th|thead|title|tr|ul|video|xmp"
)
_SHEET = '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">{}</xsl:stylesheet>'
_CODE = "script|style|noscript|comment()|processing-instruction()"
# XSLT reads a page's text several times as fast as a walk in Python.
# No pattern has a predicate: libxslt would count the siblings of each element.
_TO_TEXT = """<xsl:output method="text"/>
<xsl:template match="{blocks}">
{block}<xsl:apply-templates select="{shown}"/>{block}</xsl:template>
<xsl:template match="wbr"><xsl:apply-templates select="{shown}"/></xsl:template>
<xsl:template match="*" priority="-1">{seam}<xsl:apply-templates select="{shown}"/>{seam}</xsl:template>
<xsl:template match="details" priority="1">{block}<xsl:choose>
<xsl:when test="@open"><xsl:apply-templates select="{shown}"/></xsl:when>
<xsl:otherwise><xsl:apply-templates select="{closed}"/></xsl:otherwise>
</xsl:choose>{block}</xsl:template>
<xsl:template match="{left_out}" priority="2"/>"""
_NOT_SHOWN, _SHOWN = f"{_CODE}|textarea|title", f"node()[not({CONCEALED})]"
_IN_CODE = etree.XPath("boolean(ancestor-or-self::*[self::script or self::style or self::noscript])")
_IN_HIDDEN = etree.XPath(
    f"boolean(ancestor-or-self::*[self::script or self::style or self::noscript or self::textarea or self::title"
    f" or {CONCEALED}])"
)
_TITLE = etree.XPath("string(//title)")
_GOES_ON = re.compile(r"(?i)(?:er|ere|ère|re|e|eme|ème|nde?|h|o|st|th|am|pm)(?![^\W\d_])")  # `1er`, `9h`
_LONE_DIGIT = re.compile(r"(?<![\w/.:-])\d$")  # `<b>1</b>5 décembre` is no 5 December
_IS_DIGIT = re.compile(r"\d(?!\d| ?[:h])")
_FRACTION = re.compile(r"\d{1,2}([.,]\d{1,4})?")  # the rest of a number, or of `24.<b>11.2026</b>`
_CLOSES = ".!?;:,)\u00bb"
_MARKS = re.compile("[\u0300-\u036f]")  # combining accents
_APOSTROPHES, _HYPHENS = "\u2018\u2019\u201b\u02bc\u00b4\u2032", "\u2010\u2011\u2012\u2212"
_TYPED = dict.fromkeys(_APOSTROPHES, "'") | dict.fromkeys(_HYPHENS, "-")
# Signs that are not printed: https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point
_NOT_PRINTED = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff"
)
_ODD = re.compile(f"[{_APOSTROPHES}{_HYPHENS}{_NOT_PRINTED}]")
_ACCENTS = "\u0300\u0301\u0302\u0308\u0327"  # French ones, written apart from their letter
# Accents without end: composing takes the square of their number.
_ENDLESS = re.compile(r"[^\x00-\u02ff\s]{200,}")


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


def _text_reader(left_out: str, shown: str, closed: str) -> etree.XSLT:
    """Return what reads the text of a node without some elements: XPaths of its children, of closed `details`."""
    rules = _TO_TEXT.format(
        blocks=_BLOCKS, seam=_SEAM, block=_BLOCK, left_out=left_out, shown=shown, closed=closed
    )
    return etree.XSLT(etree.XML(_SHEET.format(rules)))


_ALL_TEXT = _text_reader(_CODE, "node()", "node()")
_SHOWN_TEXT = _text_reader(_NOT_SHOWN, _SHOWN, "summary[1]")
_ASIDE_MARK = "_aside_"  # the attribute that `raw_lines` gives to parts for as long as it reads
_TEXT_BESIDE = _text_reader(_CODE, f"node()[not(@{_ASIDE_MARK})]", f"node()[not(@{_ASIDE_MARK})]")


def parse_document(text: str, *, scripts_ran: bool = False) -> html.HtmlElement:
    """Return the parsed HTML without its templates; each element that is not shown is marked (`CONCEALED`).

    `scripts_ran`: a browser saved the page, so that directives of scripts have done what they do.
    """
    source = text.encode("utf-8", "replace")
    parser = html.HTMLParser(encoding="utf-8", huge_tree=False)
    try:
        root = html.document_fromstring(source, parser=parser)
    except etree.ParserError:
        return html.document_fromstring("<html></html>")
    if next(root.iter("template"), None) is not None:
        etree.strip_elements(root, "template", with_tail=False)
    for each in root.iter(*_EMPTY):
        del each[:]
        each.text = None
    if any(accent in text for accent in _ACCENTS):
        _compose_texts(root)
    if _MARK in text:  # a page that was saved after it was read, or pretends so
        etree.strip_attributes(root, _MARK)
    names = frozenset(name for each in root.iter("*") for name in each.attrib)
    for each in (*_hidden_by_html(root, names), *_hidden_by_script(names & _HIDING, scripts_ran)(root)):
        each.set(_MARK, "")
    return root


def _compose_texts(root: html.HtmlElement) -> None:
    """Compose a page's texts and labels, as XPaths of readers name letters with accents; no address, no sent value."""
    for each in root.iter("*"):
        each.text, each.tail = _compose(each.text), _compose(each.tail)
        shown = ("aria-label", "value") if each.get("type") == "submit" else ("aria-label",)
        for name in shown:
            if (written := each.get(name)) is not None:
                each.set(name, _compose(written) or "")


def _compose(text: str | None) -> str | None:
    if text is None or text.isascii():
        return text
    return unicodedata.normalize("NFC", _ENDLESS.sub(_leave_accents_out, CONTROL.sub(" ", text)))


def _hidden_by_html(root: html.HtmlElement, names: frozenset[str]) -> Iterator[html.HtmlElement]:
    """Yield the elements that HTML, or their own style, does not show. Style sheets are not read."""
    yield from root.iter(*_NEVER_SHOWN)
    yield from (each for each in root.iter("dialog") if "open" not in each.attrib)
    for each in root.iter("details"):
        if "open" not in each.attrib:
            summary = each.find("summary")
            yield from (child for child in each.iterchildren("*") if child is not summary)
    for each in _STYLED(root) if names & {"hidden", "style"} else ():
        style = _STYLE_BLANK.sub("", each.get("style", "").lower())
        cut_off = "overflow:hidden" in style and _CUT_OFF.search(style)
        if "hidden" in each.attrib or _STYLE.search(style) or cut_off:
            yield each


@lru_cache(maxsize=256)
def _hidden_by_script(names: frozenset[str], ran: bool) -> etree.XPath:
    """Return the XPath of the elements that a script opens or may hide, in a page with these attributes."""
    directives = names.intersection(_VUE if ran else (*_VUE, *_LEFT))
    tests = [f"@*[{' or '.join(f'name()={name!r}' for name in sorted(directives))}]"] if directives else []
    if "popover" in names:
        tests.append("@popover[not(parent::dialog[@open])]")
    if any(name.startswith(_ANGULAR) for name in names):
        tests.append("contains(concat(' ', normalize-space(@class), ' '), ' ng-hide ')")
    if "data-bind" in names and not ran:
        tests += [
            f"@data-bind[contains(concat(' ', translate(., ',{{', '  ')), ' {name}:')]" for name in _BOUND
        ]
    return etree.XPath(f"/descendant::*[{' or '.join(tests)}]" if tests else "/..")


def collapse_whitespace(text: str) -> str:
    """Return a text in the one normal form of all comparisons; it can be printed on a terminal.

    Characters are composed (NFKC), white space is one blank, apostrophes and hyphens are those of a keyboard. What is
    not printed (soft hyphens, marks of direction, controls) is left out.
    """
    text = " ".join(text.split())
    if not text.isascii():
        plain = _ODD.sub(_type, text)
        plain = _ENDLESS.sub(_leave_accents_out, plain)
        composed = "\u2026".join(unicodedata.normalize("NFKC", each) for each in plain.split("\u2026"))
        text = text if composed == text else " ".join(_ODD.sub(_type, composed).split())
    return text if text.isprintable() else " ".join(CONTROL.sub(" ", text).split())


def _type(odd: re.Match[str]) -> str:
    return _TYPED.get(odd[0], "")


def _leave_accents_out(found: re.Match[str]) -> str:
    return "".join(each for each in found[0] if not unicodedata.combining(each))


def normalize(text: str) -> str:
    """Return a text in lower case without accents, for comparisons."""
    return fold(collapse_whitespace(text))


def fold(text: str) -> str:
    """Return what `normalize` makes of a text that `collapse_whitespace` has returned."""
    lowered = text.lower()
    return lowered if lowered.isascii() else _MARKS.sub("", unicodedata.normalize("NFKD", lowered))


def contains_phrase(text: str, sentence: str) -> bool:
    """Tell whether a text contains a sentence, word for word.

    Case, accents, white space, kinds of apostrophes and hyphens, and white space before punctuation do not matter.
    Words are whole: `incomplet` does not contain `complet`.
    """
    return folds_to_phrase(normalize(text), sentence)


def folds_to_phrase(folded: str, sentence: str) -> bool:
    """Tell whether a normalized text contains a sentence (`contains_phrase`)."""
    return _wording(sentence).search(folded) is not None


def around_phrase(text: str, sentence: str, *, reach: int, most: int) -> list[tuple[str, str]]:
    """Return what stands before and behind the first occurrences of a sentence (`contains_phrase`), normalized.

    `reach`: characters on each side. All text around all occurrences would take the square of their number.
    """
    plain = normalize(text)
    return [
        (plain[max(found.start() - reach, 0) : found.start()], plain[found.end() : found.end() + reach])
        for found in islice(_wording(sentence).finditer(plain), most)
    ]


@lru_cache(maxsize=2048)
def _wording(sentence: str) -> re.Pattern[str]:
    pieces = _PIECE.findall(normalize(sentence))
    if not pieces:
        return re.compile(r"(?!)")
    # The look-behind comes after the first piece, so that `re` finds that piece fast.
    wording = re.escape(pieces[0]) + rf"(?<!\w{re.escape(pieces[0])})"
    for before, piece in pairwise(pieces):
        wording += (r"\s+" if before[0].isalnum() and piece[0].isalnum() else r"\s*") + re.escape(piece)
    return re.compile(rf"{wording}(?!\w)")


def visible_text(node: html.HtmlElement) -> str:
    """Return a node's whole text without scripts and styles, which may quote any sentence."""
    return collapse_whitespace(raw_text(node))


def raw_text(node: html.HtmlElement) -> str:
    """Return a node's whole text as `visible_text` does, with the characters and the white space of its source."""
    return raw_lines(node).replace("\n", " ")


def raw_lines(node: html.HtmlElement, without: Sequence[html.HtmlElement] = ()) -> str:
    """Return a node's whole text with a line for each block, without some of its parts."""
    if _IN_CODE(node):
        return ""
    if not without:
        return _break_lines(str(_ALL_TEXT(node)))
    for each in without:
        each.set(_ASIDE_MARK, "")
    text = str(_TEXT_BESIDE(node))
    for each in without:
        each.attrib.pop(_ASIDE_MARK, None)
    return _break_lines(text)


def rendered_text(node: html.HtmlElement) -> str:
    """Return the text of a node that a person sees: without editable and hidden text."""
    return collapse_whitespace(rendered_lines(node))


def rendered_lines(node: html.HtmlElement) -> str:
    """Return the text of a node that a person sees with a line for each block."""
    return "" if _IN_HIDDEN(node) else _break_lines(str(_SHOWN_TEXT(node)))


def _break_lines(text: str) -> str:
    return _join_inline(_BREAK.sub(" ", text)).replace(_BLOCK, "\n")


def _join_inline(text: str) -> str:
    """Join the texts of inline elements: `1<sup>er</sup>` is one word.

    Pages part elements by style sheets, too, so a blank stays where both sides could be no one word:
    `<span>15</span><span>décembre</span><span>09:30</span>`.
    """
    if _SEAM not in text:
        return text
    joined: list[str] = []
    for part in filter(None, text.split(_SEAM)):
        # Two cheap tests first: at most seams there is a blank already.
        touch = joined and part[0].isalnum() and not joined[-1][-1].isspace()
        if touch and _are_two_words(joined[-1], part):
            joined.append(" ")
        joined.append(part)
    return "".join(joined)


def _are_two_words(before: str, part: str) -> bool:
    last, first = before[-1], part[0]
    if first.isdigit() and last in _CLOSES:  # `l'écran.<a>21/11 à 9h</a>`, but `12,<sup>50</sup>`
        return not (before[-2:-1].isdigit() and _FRACTION.fullmatch(part.rstrip()))
    if first.isdigit():
        return last.isalnum() and not (_LONE_DIGIT.search(before) and _IS_DIGIT.match(part))
    if not first.isalpha():
        return False
    if last.isdigit():
        return _GOES_ON.match(part) is None
    return last in _CLOSES or (last.islower() and first.isupper())


def title(root: html.HtmlElement) -> str:
    """Return the document's title, empty without one."""
    return collapse_whitespace(str(_TITLE(root)))


def label(root: html.HtmlElement, field: str) -> str | None:
    """Return the label of the field with this id; None without one."""
    return next(map(visible_text, root.xpath("//label[@for=$field]", field=field)), None)


def choices(root: html.HtmlElement, name: str) -> dict[str, str | None]:
    """Return the values of the boxes or radio buttons of this name, in the page's order, with their labels."""
    offered: dict[str, str | None] = {}
    labels = {each.get("for"): each for each in reversed(root.xpath("//label[@for]"))}
    for field in root.xpath("//input[@name=$name][@value]", name=name):
        if (key := field.get("value", "")) not in offered:
            its = labels.get(field.get("id", ""))
            offered[key] = None if its is None else visible_text(its)
    return offered


def field_value(root: html.HtmlElement, field: str) -> str:
    """Return the value of the field with this id; empty without such a field."""
    return next((str(each.value or "") for each in root.xpath("//*[@id=$field]", field=field)), "")


def names_date(heading: str) -> bool:
    """Tell whether a heading names a day or a week in any form."""
    return len(heading) <= _LONGEST and _DAY.search(collapse_whitespace(heading).lower()) is not None
