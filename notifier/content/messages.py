"""Rendering of messages from templates/<kind>/<language>/: `<channel>.txt`, `.html`, `.subject.txt`, `.brief.txt`.

`<channel>.path.txt` is the page that a message opens, `notice.txt` what the app shows itself.

A kind of many languages has these files once, in templates/<kind>/; its folders of languages hold `words.jinja`.
"""

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, UndefinedError
from jinja2.environment import TemplateModule

from configs.brand import SHADES
from configs.languages import FRENCH, RIGHT_TO_LEFT
from notifier.channel_base import LinkButton, RenderedMessage
from notifier.content.template_functions import FUNCTIONS, clean_values
from notifier.message_kind_base import TemplateContext

TEMPLATES = Path(__file__).parents[1] / "templates"
FALLBACK = FRENCH
_MAIL, _CHAT, _WORDS = "email", "telegram", "words.jinja"
_NOTICE = "notice.txt"
_BRAND = " – RDVPriority"  # the end of many subjects; the app says it elsewhere
_LONGEST_TITLE, _LONGEST_BODY = 300, 4000  # characters
_BREAKS = re.compile("[ \t\n]+")  # where a line may end: at a no-break space it may not


@lru_cache(maxsize=2)
def environment(*, escaping: bool) -> Environment:
    """Return the templates as HTML, which escapes what it is given, or as text; a missing value is an error.

    Two of them, because what a macro of a file that does not escape returns would pass for safe in one that does.
    """
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=escaping,  # noqa: S701 -- not escaping is for plain text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    made.globals.update(SHADES | FUNCTIONS)
    return made


def _template(name: str) -> Template:
    return environment(escaping=name.endswith(".html")).get_template(name)


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(environment(escaping=True).list_templates())


def warm_up() -> None:
    """Compile all templates, and what they import."""
    for name in _names():
        _template(name)
        environment(escaping=True).get_template(name)


@cache
def languages_of(kind: str) -> frozenset[str]:
    """Return the languages that a kind has texts in."""
    paths = [name.split("/") for name in _names()]
    return frozenset(path[1] for path in paths if path[0] == kind and len(path) > 2)  # noqa: PLR2004 -- kind, language, file


def choose_language(kind: str, wanted: str) -> str:
    """Return the language of a message: French where its kind has no texts in the wanted one."""
    return wanted if wanted in languages_of(kind) else FALLBACK


@cache
def find_path(kind: str, language: str, name: str) -> str | None:
    """Return the template of a part: the language's own, else the kind's, which takes its words from the language."""
    own, shared = f"{kind}/{language}/{name}", f"{kind}/{name}"
    if own in _names():
        return own
    return shared if shared in _names() and f"{kind}/{language}/{_WORDS}" in _names() else None


def speaks(kind: str, language: str, channel: str) -> bool:
    """Whether a kind has texts for a channel in a language."""
    return any(find_path(kind, language, f"{channel}.{ending}") for ending in ("txt", "html"))


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
    return (
        environment(escaping=False).get_template(f"{kind}/{language}/{_WORDS}").make_module(_layout(language))
    )


def _layout(language: str) -> dict[str, str]:
    """Return the values that all texts of a language have."""
    start, end = ("right", "left") if language in RIGHT_TO_LEFT else ("left", "right")
    direction = "rtl" if language in RIGHT_TO_LEFT else "ltr"
    return {"language": language, "direction": direction, "start": start, "end": end}


class _KindTexts:
    """The texts of a kind in a language, filled with the same values; its words are read once for all of them."""

    def __init__(self, kind: str, language: str, values: Mapping[str, Any]) -> None:
        self.kind, self.language = kind, language
        self.values = clean_values(values) | _layout(language)
        self.words: dict[bool, TemplateModule] = {}  # by whether they are escaped

    def fill(self, name: str) -> str:
        """Return one of them; nothing where the kind has no such text."""
        path = find_path(self.kind, self.language, name)
        if path is None:
            return ""
        is_shared = path == f"{self.kind}/{name}"
        words = {"words": self._read_words(escaping=path.endswith(".html"))} if is_shared else {}
        return _template(path).render(self.values, **words).strip()

    def _read_words(self, *, escaping: bool) -> TemplateModule:
        if escaping not in self.words:
            found = environment(escaping=escaping).get_template(f"{self.kind}/{self.language}/{_WORDS}")
            self.words[escaping] = found.make_module(self.values)
        return self.words[escaping]


def render(kind: str, channel: str, language: str, context: TemplateContext) -> RenderedMessage:
    """Return the texts of a channel; in French where the kind has none in the language.

    Raises:
        LookupError: the kind has no texts for the channel.
        jinja2.UndefinedError: a text needs a value that `context` has not.
    """
    if not speaks(kind, language, channel):
        language = FALLBACK
    if not speaks(kind, language, channel):
        raise LookupError(f"no texts: templates/{kind}/{language}/{channel}.txt or .html is missing")

    texts = _KindTexts(kind, language, context.values)
    label = texts.fill("button.txt")
    return RenderedMessage(
        text=texts.fill(f"{channel}.txt"),
        html=texts.fill(f"{channel}.html"),
        subject=" ".join(texts.fill(f"{channel}.subject.txt").split()),
        brief=texts.fill(f"{channel}.brief.txt"),
        path=texts.fill(f"{channel}.path.txt"),
        button=LinkButton(label, context.url) if label and context.url else None,
        choices=context.choices if channel == _CHAT else (),
        language=language,
    )


def read_words(kind: str, language: str) -> Mapping[str, str]:
    """Return the plain words of a kind that need no values, by their name."""
    found = environment(escaping=False).get_template(f"{kind}/{language}/{_WORDS}").make_module()
    return {name: value for name, value in vars(found).items() if isinstance(value, str)}


def render_title(kind: str, language: str, values: Mapping[str, Any]) -> str | None:
    """Return the subject that mails of a kind have; None where it has none, or needs a value that is missing."""
    spoken = language if speaks(kind, language, _MAIL) else FALLBACK
    try:
        return " ".join(_KindTexts(kind, spoken, values).fill(f"{_MAIL}.subject.txt").split()) or None
    except UndefinedError:
        return None


class NoticeText(NamedTuple):
    """Title and body of a notice, as plain text, and their language."""

    language: str
    title: str
    body: str


def choose_notice_language(kind: str, language: str) -> str:
    """Return the language of a kind's notices to a reader: French where it has no notice, or no title, in theirs."""
    has_both = all(find_path(kind, language, name) for name in (_NOTICE, f"{_MAIL}.subject.txt"))
    return language if has_both else FALLBACK


def render_notice(kind: str, language: str, values: Mapping[str, Any]) -> NoticeText:
    """Return the notice of a kind in a language that it has: the subject of its mails, and `notice.txt`.

    Raises:
        jinja2.UndefinedError: a text needs a value that is missing.
    """
    texts = _KindTexts(kind, language, values)
    title, body = " ".join(texts.fill(f"{_MAIL}.subject.txt").split()), texts.fill(_NOTICE)
    return NoticeText(language, title.removesuffix(_BRAND)[:_LONGEST_TITLE], body[:_LONGEST_BODY])
