"""Text of HTML pages: what a person sees, line by line or in one normal form; titles, labels and values of fields.

Every reader takes a page's text from here, so that all see the same words.
"""

import re
from collections.abc import Sequence

from lxml import etree, html

from crawler.parsing.hidden_parts import CONCEALED
from crawler.parsing.normal_form import collapse_whitespace

_BREAK = re.compile(r"[\n\r]")
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
