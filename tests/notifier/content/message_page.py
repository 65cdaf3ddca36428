"""`make messages`: writes every kind of message, on every channel, in every language, to one page.

ARGS: names of kinds, to see fewer."""

import sys
from html import escape
from pathlib import Path

from configs.ground.text import MESSAGE_LANGUAGES, RIGHT_TO_LEFT
from notifier.content.message_kind_base import RenderedMessage
from notifier.content.messages import render
from notifier.content.sms_text import fit_text, length, segments
from notifier.message_kinds import kinds
from tests.notifier.content.message_samples import SampleSize, list_samples
from tests.notifier.content.test_messages import TEXTS

_PAGE = Path(".state/messages/index.html")
_HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Messages</title>
<style>
body { margin: 0 auto; padding: 1rem; max-inline-size: 64rem; font: 1rem/1.5 system-ui; background: #e9e9ee; color: #1a1b1f; }
nav a { margin-inline-end: .75rem; }
.all { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); align-items: start; }
figure { margin: 0; } figcaption { font-weight: 600; overflow-wrap: anywhere; }
iframe { inline-size: 100%; block-size: 44rem; border: 0; background: #fff; }
.bubble { padding: .75rem 1rem; border-radius: .75rem; background: #fff; white-space: pre-line; overflow-wrap: anywhere; }
.sms { background: #d9f2dc; } tg-spoiler { background: #d8d8de; } .press { display: block; margin-block-start: .5rem; text-align: center; background: #e9eefb; }
</style>
<h1>Messages</h1>
"""


def _write_mail(made: RenderedMessage) -> str:
    return f'<iframe title="mail" loading="lazy" srcdoc="{escape(made.html)}"></iframe>'


def _write_chat(made: RenderedMessage) -> str:
    press = f'<span class="press">{escape(made.button.label)}</span>' if made.button else ""
    rows = "".join(
        f'<span class="press">{" · ".join(escape(each.label) for each in row)}</span>' for row in made.choices
    )
    return f'<div class="bubble">{made.html or escape(made.text)}{press}{rows}</div>'


def _write_sms(made: RenderedMessage) -> str:
    text = fit_text(made)
    return f'<div class="bubble sms">{escape(text)}</div><small>{length(text)} places, {segments(text)} segments</small>'


def _write_message(kind: str, language: str, channel: str) -> str:
    made = render(kind, channel, language, list_samples(kind, language, SampleSize.USUAL))
    shown = {"email": _write_mail, "sms": _write_sms}.get(channel, _write_chat)(made)
    direction = "rtl" if language in RIGHT_TO_LEFT else "ltr"
    caption = f"{MESSAGE_LANGUAGES[language]}, {channel}" + (f": {made.subject}" if made.subject else "")
    return f'<figure lang="{language}" dir="{direction}"><figcaption>{escape(caption)}</figcaption>{shown}</figure>'


def _write_kind(kind: str) -> str:
    figures = [_write_message(*each) for each in TEXTS if each[0] == kind]
    return f'<h2 id="{kind}">{kind}</h2>\n<div class="all">\n' + "\n".join(figures) + "\n</div>\n"


def main(given: list[str]) -> int:
    """Write the page of these kinds, of all without a name; return 0."""
    wanted = given or sorted(kinds())
    if unknown := set(wanted) - set(kinds()):
        raise SystemExit(f"make messages: no such kinds: {', '.join(sorted(unknown))}")
    _PAGE.parent.mkdir(parents=True, exist_ok=True)
    links = "".join(f'<a href="#{each}">{each}</a> ' for each in wanted)
    _PAGE.write_text(f"{_HEAD}<nav>{links}</nav>\n{''.join(map(_write_kind, wanted))}", "utf-8")
    sys.stdout.write(f"{len(wanted)} kinds: {_PAGE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
