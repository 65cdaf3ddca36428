"""Rendering of messages from templates/<kind>/<language>/: `<channel>.txt`, `.html`, `.subject.txt`, `.brief.txt`.

`notice.txt` is what the app shows itself.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, UndefinedError

from configs.brand import SHADES
from notifier.channel_base import LinkButton, RenderedMessage
from notifier.message_kind_base import TemplateContext

TEMPLATES = Path(__file__).parents[1] / "templates"
FALLBACK = "fr"
_MAIL = "email"
_NOTICE = "notice.txt"
_BRAND = " – RDVPriority"  # the end of many subjects; the app says it elsewhere
_LONGEST_TITLE, _LONGEST_BODY = 300, 4000  # characters


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
    made.globals.update(SHADES)
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


def languages_of(kind: str) -> set[str]:
    """Return the languages that a kind has texts in."""
    return {name.split("/")[1] for name in _names() if name.startswith(f"{kind}/")}


def choose_language(account: str) -> str:
    """Return the language of messages to an account: French where there are none in the account's."""
    return account if account in _languages() else FALLBACK


@lru_cache(maxsize=1)
def _languages() -> frozenset[str]:
    return frozenset(name.split("/")[1] for name in _names() if name.count("/") > 1)


def speaks(kind: str, language: str, channel: str) -> bool:
    """Whether a kind has texts for a channel in a language."""
    return any(f"{kind}/{language}/{channel}.{ending}" in _names() for ending in ("txt", "html"))


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

    def part(name: str) -> str:
        path = f"{kind}/{language}/{name}"
        return _template(path).render(context.values).strip() if path in _names() else ""

    label = part("button.txt")
    return RenderedMessage(
        text=part(f"{channel}.txt"),
        html=part(f"{channel}.html"),
        subject=" ".join(part(f"{channel}.subject.txt").split()),
        brief=part(f"{channel}.brief.txt"),
        button=LinkButton(label, context.url) if label and context.url else None,
    )


def render_title(kind: str, language: str, values: Mapping[str, Any]) -> str | None:
    """Return the subject that mails of a kind have; None where it has none, or needs a value that is missing."""
    spoken = language if speaks(kind, language, _MAIL) else FALLBACK
    path = f"{kind}/{spoken}/{_MAIL}.subject.txt"
    if path not in _names():
        return None
    try:
        return " ".join(_template(path).render(values).split())
    except UndefinedError:
        return None


class NoticeText(NamedTuple):
    """Title and body of a notice, as plain text, and their language."""

    language: str
    title: str
    body: str


def choose_notice_language(kind: str, language: str) -> str:
    """Return the language of a kind's notices to a reader: French where it has no notice, or no title, in theirs."""
    needed = {f"{kind}/{language}/{name}" for name in (_NOTICE, f"{_MAIL}.subject.txt")}
    return language if needed <= _names() else FALLBACK


def render_notice(kind: str, language: str, values: Mapping[str, Any]) -> NoticeText:
    """Return the notice of a kind in a language that it has: the subject of its mails, and `notice.txt`.

    Raises:
        jinja2.TemplateNotFound: the kind has no notices in the language.
        jinja2.UndefinedError: a text needs a value that is missing.
    """
    title = " ".join(_template(f"{kind}/{language}/{_MAIL}.subject.txt").render(values).split())
    body = _template(f"{kind}/{language}/{_NOTICE}").render(values).strip()
    return NoticeText(language, title.removesuffix(_BRAND)[:_LONGEST_TITLE], body[:_LONGEST_BODY])
