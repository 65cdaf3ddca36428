"""Hidden parts of an HTML page: each element that a browser does not show is marked as the page is parsed.

Every reader gets its pages from here, so that all hide the same parts.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from lxml import etree, html

from configs.ground.text import CONTROL
from crawler.parsing.normal_form import ENDLESS, leave_accents_out

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
_ACCENTS = "\u0300\u0301\u0302\u0308\u0327"  # French ones, written apart from their letter


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
    return unicodedata.normalize("NFC", ENDLESS.sub(leave_accents_out, CONTROL.sub(" ", text)))


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
