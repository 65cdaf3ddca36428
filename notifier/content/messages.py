"""Rendering of messages: from a kind's parts to the texts of a channel.

`templates/<kind>.jinja` holds a kind's texts in all languages; docs/adding-a-message.md says which parts it may have. A
part begins with `=== fr title`, its language and its name, or `=== telegram`: the same in all of them.
"""

import html
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from babel import Locale
from babel.numbers import format_currency, format_decimal
from jinja2 import DictLoader, Environment, StrictUndefined, Template, UndefinedError, pass_context
from jinja2.environment import TemplateModule
from jinja2.runtime import Context
from markupsafe import Markup

from api.models.user import Channel
from configs.ground.brand import SHADES
from configs.ground.signing import write_address
from configs.ground.text import FRENCH, RIGHT_TO_LEFT, put_beside
from configs.settings import settings
from configs.world.plan import PlanName, name_plan
from notifier.content.desk_location import HOME, location_of, write_moment
from notifier.content.message_kind_base import LinkButton, RenderedMessage, StoredText, TemplateContext
from notifier.content.sms_text import fit_text

TEMPLATES = Path(__file__).parents[1] / "templates"
WORDS, LAYOUT, SUMMARY = "words", "layout", "summary"
_HEADER = re.compile(r"^=== (.+)\n", re.MULTILINE)
# What can turn the direction of the text behind it, and control characters but tab and line ends.
# https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters
_CONTROLS = re.compile(r"[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_FIRST_STRONG_ISOLATE, _POP_ISOLATE = "\u2068", "\u2069"
FALLBACK, _ENGLISH = FRENCH, "en"
_MAIL, _CHAT, _PUSH, _NOTICE, _TITLE = "email", "telegram", "push", "notice", "title"
_BRAND = " – RDVPriority"  # the end of many subjects; the app says it elsewhere
_LONGEST_TITLE, _LONGEST_BODY = 300, 4000  # characters
_BREAKS = re.compile("[ \t\n]+")  # where a line may end: at a no-break space it may not
_MARKUP = re.compile("<[^>]*>")
_MASK = "[…]"  # in a stored text, in place of a link that works for everybody who has it
_PARAGRAPHS = re.compile(r"\n\s*\n")
_ITEM = re.compile(r"[-*] ")
_BLOCKS = ("<table", "<h2", "<p ")  # no value begins so: values are escaped
_FRENCH_SPACES = re.compile(r" (?=[:;?!»])|(?<=«) ")  # at which no line ends


@pass_context
def choose_plural(context: Context, count: int, **forms: str) -> str:
    """Return the form that a language has for a number: `one`, `two`, `few`, `many`, else `other`.

    https://www.unicode.org/cldr/charts/latest/supplemental/language_plural_rules.html
    """
    return forms.get(Locale.parse(context["language"]).plural_form(count), forms["other"])


@pass_context
def isolate(context: Context, text: str) -> str:
    """Return a name that keeps its own direction in a text from right to left; as it is in other texts."""
    if context["direction"] == "ltr":
        return text
    return _FIRST_STRONG_ISOLATE + text + _POP_ISOLATE  # of markup it is markup again


def shorten(text: str, longest: int) -> str:
    """Return a text cut where it is longer than so many UTF-16 code units, by which Telegram counts.

    https://core.telegram.org/api/entities#entity-length
    """
    units = text.encode("utf-16-le", "replace")
    if len(units) <= 2 * longest:
        return text
    return units[: 2 * (longest - 1)].decode("utf-16-le", "ignore").rstrip() + "…"


def decapitalize(text: str) -> str:
    """Return a text as it stands inside a sentence: in German, nouns keep their capital."""
    return text[:1].lower() + text[1:]


def clean_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a text without what could turn the direction of the text around them."""
    return {name: _clean(value) for name, value in values.items()}


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _CONTROLS.sub("", value)
    if isinstance(value, Mapping):
        return clean_values(value)
    if isinstance(value, tuple) and hasattr(value, "_make"):
        return value._make(map(_clean, value))
    if isinstance(value, list | tuple):
        return type(value)(map(_clean, value))
    return value


@pass_context
def write_euros(context: Context, amount: str | float) -> str:
    """Return an amount of euros as a reader of the language writes it."""
    return format_currency(Decimal(amount), "EUR", locale=context["language"])


@pass_context
def write_seconds(context: Context, seconds: float) -> str:
    """Return `1,4 s`."""
    return f"{format_decimal(seconds, '#,##0.0', locale=context['language'])}\N{NO-BREAK SPACE}s"


@pass_context
def tell_moment(context: Context, at: str) -> tuple[str, str]:
    """Return in words the day and the hour of an instant (ISO 8601), as operators' clocks say."""
    return write_moment(at, HOME, context["language"])


def list_plans(numbers: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return plans by their names, with their numbers."""
    return [(name_plan(each), numbers[each]) for each in PlanName if each in numbers]


FILTERS = {"euros": write_euros, "seconds": write_seconds, "home_moment": tell_moment, "plans": list_plans}
FUNCTIONS = {
    "plural": choose_plural,
    "isolate": isolate,
    "shorten": shorten,
    "decapitalize": decapitalize,
    "nb": "\u00a0",  # French's space before `:`, at which no line ends
}


@lru_cache(maxsize=1)
def read_parts() -> dict[str, str]:
    """Return the source of each part by `kind/language/part`, or `kind/part` where all languages share it."""
    parts: dict[str, str] = {}
    for file in sorted(TEMPLATES.glob("*.jinja")):
        _, *found = _HEADER.split(file.read_text("utf-8"))
        for header, source in zip(found[::2], found[1::2], strict=True):
            parts[f"{file.stem}/{header.replace(' ', '/')}"] = source
    return parts


@lru_cache(maxsize=2)
def environment(*, escaping: bool) -> Environment:
    """Return the parts as HTML, which escapes what it is given, or as text; a missing value is an error.

    Two of them, because what a macro of a file that does not escape returns would pass for safe in one that does.
    """
    made = Environment(
        loader=DictLoader(read_parts()),
        autoescape=escaping,  # noqa: S701 -- not escaping is for plain text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    made.globals.update(SHADES | FUNCTIONS)
    made.filters.update(FILTERS)
    return made


def get_template(name: str, *, escaping: bool) -> Template:
    """Return a part, compiled once."""
    return environment(escaping=escaping).get_template(name)


def warm_up() -> None:
    """Compile all parts, as text and as HTML."""
    for name in read_parts():
        for escaping in (False, True):
            get_template(name, escaping=escaping)


@cache
def languages_of(kind: str) -> frozenset[str]:
    """Return the languages that a kind has texts in."""
    paths = [name.split("/") for name in read_parts()]
    return frozenset(path[1] for path in paths if path[0] == kind and len(path) > 2)  # noqa: PLR2004 -- kind, language, part


@cache
def find_part(kind: str, language: str, part: str) -> str | None:
    """Return the name of a part: the language's own, else the kind's, which takes its words from the language."""
    own, shared = f"{kind}/{language}/{part}", f"{kind}/{part}"
    if own in read_parts():
        return own
    return shared if shared in read_parts() and f"{kind}/{language}/{WORDS}" in read_parts() else None


@cache
def read_layout(language: str) -> dict[str, Any]:
    """Return the values that all texts of a language have: its direction, and the words of every mail."""
    start, end = ("right", "left") if language in RIGHT_TO_LEFT else ("left", "right")
    direction = "rtl" if language in RIGHT_TO_LEFT else "ltr"
    found: dict[str, Any] = {"language": language, "direction": direction, "start": start, "end": end}
    if language in languages_of(LAYOUT):
        words = _public(get_template(f"{LAYOUT}/{language}/{WORDS}", escaping=False).make_module())
        found |= {name: value for name, value in words.items() if isinstance(value, str)}
    return found


@cache
def read_marks(language: str, *, escaping: bool) -> dict[str, Any]:
    """Return the macros that a mail is written with, as plain text or as HTML: `button`, `link`, `strong`."""
    name = f"{LAYOUT}/marks.{'html' if escaping else 'txt'}"
    return _public(get_template(name, escaping=escaping).make_module(read_layout(language)))


def _public(module: TemplateModule) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if not name.startswith("_")}


class Block(NamedTuple):
    """A part of a mail's page: `paragraph`, `item` or `block`, and its HTML."""

    kind: str
    html: Markup


def split_blocks(page: str, language: str) -> list[Block]:
    """Return the blocks of a page in order."""
    blocks: list[Block] = []
    for paragraph in _PARAGRAPHS.split(page):
        is_new = True
        for line in filter(None, map(str.rstrip, paragraph.split("\n"))):
            text = line.strip()
            item = _ITEM.match(text)
            kind, html = "item" if item else "paragraph", _write(text[item.end() if item else 0 :], language)
            if text.startswith(_BLOCKS):
                kind, html = "block", Markup(text)  # noqa: S704 -- its values are escaped
            # A line behind an item that is not indented does not belong to it.
            ends_list = bool(blocks) and blocks[-1].kind == "item" and not line.startswith(" ")
            if is_new or kind != "paragraph" or blocks[-1].kind == "block" or ends_list:
                blocks.append(Block(kind, html))
            else:
                blocks[-1] = Block(blocks[-1].kind, blocks[-1].html + Markup("<br>\n") + html)
            is_new = False
    return blocks


def _write(html: str, language: str) -> Markup:
    """Return a line's HTML, with French's spaces before `:` where no line ends."""
    return Markup(_FRENCH_SPACES.sub("\u00a0", html) if language == FRENCH else html)  # noqa: S704 -- its values are escaped


def choose_language(kind: str, wanted: str) -> str:
    """Return the language of a message: French where its kind has no texts in the wanted one.

    A kind has the same parts in each of its languages.
    """
    return wanted if wanted in languages_of(kind) else FALLBACK


def speaks(kind: str, language: str, channel: str) -> bool:
    """Whether a kind has texts for a channel in a language."""
    return find_part(kind, language, channel) is not None


def write_words(kind: str, language: str, name: str, *arguments: object) -> str:
    """Return what a macro of a kind's words says, as plain text: a label, or a line that needs no other values.

    Raises:
        jinja2.TemplateNotFound: the kind has no words.
        AttributeError: they have no such macro.
    """
    macro = getattr(_read_plain_words(kind, choose_language(kind, language)), name)
    return " ".join(_BREAKS.split(str(macro(*arguments)).strip()))


@cache
def _read_plain_words(kind: str, language: str) -> TemplateModule:
    return get_template(f"{kind}/{language}/{WORDS}", escaping=False).make_module(read_layout(language))


class _KindTexts:
    """The texts of a kind in a language, filled with the same values; its words are read once for all of them."""

    def __init__(self, kind: str, language: str, values: Mapping[str, Any]) -> None:
        self.kind, self.language = kind, language
        common = {"support_email": settings().support_email or ""}
        self.values = common | clean_values(values) | read_layout(language)
        self.words: dict[bool, TemplateModule] = {}  # by whether they are escaped

    def fill(self, part: str, *, escaping: bool = False) -> str:
        """Return one of them; nothing where the kind has no such text."""
        name = find_part(self.kind, self.language, part)
        if name is None:
            return ""
        marks = read_marks(self.language, escaping=escaping)
        words = self._read_words(escaping=escaping)
        return get_template(name, escaping=escaping).render(self.values, **marks, words=words).strip()

    def fill_line(self, part: str) -> str:
        """Return a text as one line."""
        return " ".join(self.fill(part).split())

    def write_subject(self, channel: str) -> str:
        """Return the subject of a mail, or the title of a push message."""
        if channel == _PUSH:
            return self.fill_line(_TITLE)
        if channel != _MAIL:
            return ""
        title = self.fill_line("subject")
        return title or f"{self.fill_line(_TITLE)}{_BRAND}"

    def fill_body(self, *, escaping: bool = False) -> str:
        """Return the part `email`, below a summary for a reader whose language it does not have."""
        body, reader = self.fill(_MAIL, escaping=escaping), self.values.get(SUMMARY)
        if not reader:
            return body
        marks = read_marks(reader["language"], escaping=escaping)
        lead, text = (
            get_template(f"{SUMMARY}/{reader['language']}/{name}", escaping=escaping).render(reader, **marks)
            for name in ("lead", self.kind)
        )
        return f"{marks[SUMMARY](Markup(lead), Markup(text))}\n\n{body}"  # noqa: S704 -- rendered by us

    def fill_english(self, *, escaping: bool = False) -> str:
        """Return the English mail that such a reader has below the French one."""
        if SUMMARY not in self.values:
            return ""
        texts = _KindTexts(self.kind, _ENGLISH, self.values[SUMMARY][_ENGLISH])
        title, body = (texts.fill(each, escaping=escaping) for each in (_TITLE, _MAIL))
        heading = read_marks(_ENGLISH, escaping=escaping)["heading"]
        return f"{heading(Markup(title))}\n\n{body}"  # noqa: S704 -- rendered by us

    def write_mail(self) -> tuple[str, str]:
        """Return a mail's text and page, of the same parts."""
        title, body, foot = self.fill(_TITLE), self.fill_body(), self.fill("foot")
        text = self._lay_out("email.txt", title=title, body=body, english=self.fill_english(), foot=foot)
        title, preview, foot = (self.fill(each, escaping=True) for each in (_TITLE, "preview", "foot"))
        body = self.fill_body(escaping=True)
        page = self._lay_out(
            "email.html",
            title=_write(title, self.language),
            preview=_write(preview, self.language),
            body=split_blocks(body, self.language),
            english=split_blocks(self.fill_english(escaping=True), _ENGLISH),
            foot=split_blocks(foot, self.language),
        )
        return _PARAGRAPHS.sub("\n\n", text).strip(), page

    def _lay_out(self, part: str, **parts: object) -> str:
        made = get_template(f"{LAYOUT}/{part}", escaping=part == "email.html")
        return made.render(self.values, **parts).strip()

    def _read_words(self, *, escaping: bool) -> TemplateModule | None:
        name = find_part(self.kind, self.language, WORDS)
        if name and escaping not in self.words:
            self.words[escaping] = get_template(name, escaping=escaping).make_module(self.values)
        return self.words.get(escaping)


def render(kind: str, channel: str, language: str, context: TemplateContext) -> RenderedMessage:
    """Return the texts of a channel; in French where the kind has none in the language.

    Raises:
        LookupError: the kind has no texts for the channel.
        jinja2.UndefinedError: a text needs a value that `context` has not.
    """
    language = choose_language(kind, language)
    if not speaks(kind, language, channel):
        raise LookupError(f"no texts: templates/{kind}.jinja has no part `=== {language} {channel}`")

    texts = _KindTexts(kind, language, context.values)
    label = texts.fill("button")
    if channel == _MAIL:
        text, page = texts.write_mail()
    else:
        is_page = channel == _CHAT
        filled = texts.fill(channel, escaping=is_page)
        text, page = ("", filled) if is_page else (filled, "")
    return RenderedMessage(
        text=text,
        html=page,
        subject=texts.write_subject(channel),
        brief=texts.fill(f"{channel}.brief"),
        path=texts.fill(f"{channel}.path"),
        button=LinkButton(label, context.url) if label and context.url else None,
        choices=context.choices if channel == _CHAT else (),
        language=language,
    )


def render_title(kind: str, language: str, values: Mapping[str, Any]) -> str | None:
    """Return the subject that mails of a kind have; None where it has none, or needs a value that is missing."""
    spoken = choose_language(kind, language)
    if not speaks(kind, spoken, _MAIL):
        return None
    try:
        return _KindTexts(kind, spoken, values).write_subject(_MAIL)
    except UndefinedError:
        return None


def write_title(kind: str, language: str, params: object) -> str | None:
    """Return the title of a message that has not left, as far as its `params` (any JSON) tell it."""
    known = params if isinstance(params, dict) else {}
    desk_id, values = known.get("desk_id"), {}
    if isinstance(desk_id, str):
        home = location_of(desk_id, desk_id.partition("/")[0])
        witness = "people" if known.get("source") else ""
        place = {"prefecture": home.name, "department": home.department, "witness": witness}
        values = {"openings": [place]}
    return render_title(kind, language, values)


def write_stored_text(
    kind: str, channel: str, context: TemplateContext, rendered: RenderedMessage
) -> StoredText:
    """Return what the reader of a channel reads of a message that is about to leave."""
    text = rendered.text
    if channel == Channel.SMS:
        text = fit_text(rendered)
    elif channel == _CHAT and rendered.html:
        text = html.unescape(_MARKUP.sub("", rendered.html))
    for tag in context.substitutions:
        text = text.replace(tag, _MASK)
    title = rendered.subject if channel == _MAIL else render_title(kind, rendered.language, context.values)
    signed = re.escape(write_address("")) + r"[\w-]+\.\S+"
    return StoredText(title, re.sub(signed, _MASK, text))


class NoticeText(NamedTuple):
    """Title and body of a notice, as plain text, and their language."""

    language: str
    title: str
    body: str


def render_notice(kind: str, language: str, values: Mapping[str, Any]) -> NoticeText:
    """Return the notice of a kind in a language that it has: the subject of its mails, and its part `notice`.

    A reader whose language it does not have gets the English one beside it, as pages show it.

    Raises:
        jinja2.UndefinedError: a text needs a value that is missing.
    """
    texts = _KindTexts(kind, language, values)
    title, body = texts.write_subject(_MAIL), texts.fill(_NOTICE)
    if SUMMARY in values:
        _, *english = render_notice(kind, _ENGLISH, values[SUMMARY][_ENGLISH])
        title, body = map(put_beside, (title.removesuffix(_BRAND), body), english)
    return NoticeText(language, title.removesuffix(_BRAND)[:_LONGEST_TITLE], body[:_LONGEST_BODY])
