"""Consent by channel and purpose: which text was shown, where, and when it was given or withdrawn.

The texts are in `consent_texts/<version>.yaml`, one per subject and language; a version is a date and never changes.
"""

from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from api.models.user import AFTER_REPORT, Contact, ContactState, User
from configs.ground.clock import clock
from configs.ground.text import put_beside

_TEXTS = Path(__file__).parent / "consent_texts"
_BINDING = "fr"
HEALTH = "health"  # the subject of a desk whose name reveals health
_ALERTS = "alerts"  # the purpose of every channel: messages about alerts
# Columns of a user, each a purpose of its own, and its subject
REPORT_WISHES = ("told_in_doubt", "may_be_asked")
NEWS = "news"  # a purpose of its own, and its subject: marketing


@lru_cache(maxsize=1)
def list_versions() -> list[str]:
    """Return the versions of the texts, the newest first."""
    return sorted((path.stem for path in _TEXTS.glob("*.yaml")), reverse=True)


@lru_cache(maxsize=8)
def _read_version(version: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = yaml.safe_load(
        (_TEXTS / f"{version}.yaml").read_text(encoding="utf-8")
    )
    return found


def read_consent_text(subject: str, language: str, version: str | None = None) -> str:
    """Return what is shown about a channel or HEALTH: where it is not in the language, in French and English."""
    texts = _read_version(version or list_versions()[0])[subject]
    return texts.get(language) or put_beside(texts[_BINDING], texts["en"])


def describe_consent(subject: str, place: str, at: datetime) -> dict[str, Any]:
    """Return the record of a consent, given `at`, to the newest text about a subject."""
    return {"subject": subject, "text": list_versions()[0], "place": place, "given_at": at.isoformat()}


def give_consent(contact: Contact, place: str) -> None:
    """Note the consent to messages on a contact's channel; `place` names the step at which it was given.

    Call it before the contact's state becomes OK: a consent after a spam report or a STOP is marked, because the
    provider may still block the address.
    """
    now = clock()
    given = describe_consent(contact.channel.value, place, now)
    if contact.state is ContactState.UNSUBSCRIBED or AFTER_REPORT in (contact.consent or {}).get(_ALERTS, {}):
        given[AFTER_REPORT] = True
    contact.consent = {**_keep_news(contact), _ALERTS: given}
    contact.consented_at = now


def withdraw_consent(contact: Contact, place: str) -> None:
    """Note that the consent to messages on a contact's channel is withdrawn; the record of what was agreed to stays."""
    given = (contact.consent or {}).get(_ALERTS, {"subject": contact.channel.value})
    contact.consented_at = None
    contact.consent = {**_keep_news(contact), _ALERTS: _withdraw(given, place)}


def give_news_consent(contact: Contact, place: str) -> None:
    """Note the consent to news on a contact's channel, where there is none yet."""
    if not contact.wants_news:
        contact.consent = (contact.consent or {}) | {NEWS: describe_consent(NEWS, place, clock())}


def withdraw_news_consent(contact: Contact, place: str) -> None:
    """Note that the consent to news is withdrawn."""
    if contact.wants_news:
        contact.consent = (contact.consent or {}) | {NEWS: _withdraw((contact.consent or {})[NEWS], place)}


def switch_report_wish(user: User, name: str, on: bool | None, place: str) -> None:
    """Note the consent to one of REPORT_WISHES, or its withdrawal, where that changes; None: as it is."""
    if on is None or on is getattr(user, name):
        return
    known = user.report_consent or {}
    given = (
        describe_consent(name, place, clock()) if on else _withdraw(known.get(name, {"subject": name}), place)
    )
    user.report_consent = known | {name: given}
    setattr(user, name, on)


def _keep_news(contact: Contact) -> dict[str, Any]:
    """Return the record of the consent to news; it ends when the consent to the channel ends, in any way."""
    given = (contact.consent or {}).get(NEWS)
    if given and contact.consented_at is None and "withdrawn_at" not in given:
        given = _withdraw(given, "channel")
    return {NEWS: given} if given else {}


def _withdraw(given: dict[str, Any], place: str) -> dict[str, Any]:
    return given | {"withdrawn_at": clock().isoformat(), "withdrawn_in": place}
