"""Samples of every message for the inbox of `make run`: each leaves by the code of its real provider.

Each kind and language has addresses of its own. The samples of `slot_gone` change one of `slot_detected`.
"""

import itertools
import os
from collections.abc import Iterable, Iterator
from uuid import uuid4

from api.models.user import Channel
from configs.settings import settings
from configs.world.languages import MESSAGE_LANGUAGES
from deploy.local.state_dir import ENVIRONMENT, folder, is_held, read_kept
from notifier.channels.batch_sender import providers_of
from notifier.channels.provider_base import Acceptance
from notifier.content.messages import languages_of, render, speaks
from notifier.content.outgoing_message import OutgoingMessage
from tests.browser_keys import browser_address
from tests.notifier.content.message_samples import SampleSize, list_samples

_EDITS = {"slot_gone": "slot_detected"}  # kind by the kind whose message it changes
_NUMBERS = itertools.count()


class NotAccepted(RuntimeError):
    """A stand-in refused a sample; the text says which."""


def join_stack() -> None:
    """Take over the variables of the local stack that runs.

    Raises:
        SystemExit: none does.
    """
    state = folder()
    if not is_held(state):
        raise SystemExit("make messages: no stack runs here: start one by `make run`")
    os.environ.update(read_kept(state / ENVIRONMENT))
    settings.cache_clear()


def list_texts(names: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Yield kind, channel and language of each text that there is."""
    for kind, channel, language in itertools.product(names, sorted(Channel), MESSAGE_LANGUAGES):
        if language in languages_of(kind) and speaks(kind, language, channel):
            yield kind, channel, language


def send_samples(names: Iterable[str]) -> int:
    """Send each text of these kinds; return how many messages the inbox has of them."""
    texts = list(list_texts(names))
    for kind, channel, language in texts:
        to = _make_address(kind, channel, language)
        before = _send(_EDITS[kind], channel, language, to) if kind in _EDITS else ""
        _send(kind, channel, language, to, replaces=before)
    return len(texts)


def _make_address(kind: str, channel: str, language: str) -> str:
    if channel == "sms":
        return f"+3363998{next(_NUMBERS) % 10_000:04d}"  # numbers for films and examples
    if channel == "push":
        return browser_address(f"{kind}_{language}")
    return f"{kind}.{language}@example.org" if channel == "email" else f"@{kind}_{language}"


def _send(kind: str, channel: str, language: str, to: str, *, replaces: str = "") -> str:
    """Hand a sample over; return the provider's id of it."""
    made = render(kind, channel, language, list_samples(kind, language, SampleSize.USUAL))
    (_, provider), *_ = providers_of(channel)
    (answer,) = provider.hand_over([OutgoingMessage(made, to, [uuid4()], replaces=replaces)])
    if not isinstance(answer, Acceptance):
        raise NotAccepted(f"{kind} by {channel} in {language}: {answer}")
    return answer.provider_id
