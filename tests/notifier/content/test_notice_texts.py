"""Texts of notices: each kind that makes them has them, and its title names no procedure."""

from typing import Any

import pytest
from werkzeug.routing import RequestRedirect

from api.app import create_app
from api.pages.choices import PROCEDURE_NAMES
from configs.world.prefecture import Procedure
from notifier.content.messages import choose_notice_language, languages_of, render_notice
from notifier.message_kinds import kinds
from tests.in_turn import in_turn
from tests.notifier.content.test_locked_screen import facts_with

NOTICED = sorted(name for name, kind in kinds().items() if kind.makes_notice)
# More values than the mails' texts have in their sample: both ends of a sentence.
TEXTS = sorted(
    (kind, language)
    for kind in NOTICED
    for language in languages_of(kind)
    if choose_notice_language(kind, language) == language
)


@in_turn("kind, language", TEXTS)
def test_a_title_names_no_procedure(kind: str, language: str) -> None:
    for procedure in set(Procedure) - {Procedure.AUTRE}:
        label = f"{PROCEDURE_NAMES[procedure]} – renouvellement"
        title = render_notice(kind, language, facts_with(kind, label)).title.lower()
        assert label.lower() not in title
        assert str(PROCEDURE_NAMES[procedure]).lower() not in title


def test_a_text_of_ten_thousand_characters_is_cut() -> None:
    label = "<b>\u202e🏛️" * 2500
    made = render_notice("desk_unwatched", "fr", facts_with("desk_unwatched", label))
    assert len(made.body) == 4000
    assert "<b>🏛" in made.body  # text: who shows it escapes it
    assert "\u202e" not in made.body


@pytest.mark.usefixtures("redis_server")
def test_each_link_is_a_page(settings_env: Any) -> None:
    settings_env()
    router = create_app().url_map.bind("localhost", url_scheme="https")
    for kind in NOTICED:
        link = kinds()[kind].notice_link
        assert link is not None
        try:
            endpoint, _ = router.match(link, "GET")
        except RequestRedirect:
            endpoint = ""
        assert endpoint, link
