"""Why slots of a desk are not seen, in the words of the pages."""

from typing import Any

from flask import Flask

from api.models.desk import DeskStatus
from api.pages.watch_words import (
    HIDDEN,
    SEEN,
    TROUBLED,
    UNKNOWN,
    UNWATCHED,
    WatchClass,
    classify_desk,
    classify_watch,
    explain_desk,
    name_website,
)
from configs.world.desk import Grade, WatchLevel
from configs.world.prefecture import desks
from tests.factories import BOBIGNY
from tests.in_turn import in_turn


@in_turn("changes, status, is_seen, watch, said", [
        ({}, DeskStatus.ACTIVE, True, SEEN, "None"),
        ({}, DeskStatus.ERROR, True, TROUBLED, "ont échoué"),
        ({}, DeskStatus.CAPTCHA, True, TROUBLED, "nous n’en résolvons aucun"),
        ({}, DeskStatus.PAUSED, True, TROUBLED, "pas vérifiée"),
        ({}, DeskStatus.ERROR, False, UNWATCHED, "fermé ou déplacé"),
        ({"watch": WatchLevel.PRESENCE}, DeskStatus.ACTIVE, False, HIDDEN, "captcha cache"),
        ({"watch": WatchLevel.NONE}, DeskStatus.PAUSED, False, UNWATCHED, "compte personnel"),
        ({"watch": WatchLevel.NONE, "because": "x"}, DeskStatus.PAUSED, False, UNWATCHED, "manque un accès"),
        ({"watch": WatchLevel.NONE, "platform": "ants"}, DeskStatus.PAUSED, False, UNWATCHED, "manque un accès"),
        ({"refused": "x"}, DeskStatus.PAUSED, False, UNWATCHED, "programmes"),
        ({"grade": Grade.STALE}, DeskStatus.PAUSED, False, UNWATCHED, "très ancienne"),
    ])  # fmt: skip
def test_each_reason_has_its_words(
    app: Flask, changes: dict[str, Any], status: DeskStatus, *, is_seen: bool, watch: WatchClass, said: str
) -> None:
    desk = desks()[BOBIGNY].model_copy(update=changes)
    with app.test_request_context("/"):
        assert classify_desk(desk, status, is_seen=is_seen) is watch
        assert said in str(explain_desk(desk, status, is_seen=is_seen))


def test_a_place_without_desks_is_unknown_and_one_without_open_pages_is_not() -> None:
    assert classify_watch(0, WatchLevel.NONE, None) is UNKNOWN
    assert classify_watch(2, WatchLevel.NONE, DeskStatus.PAUSED) is UNWATCHED


def test_the_national_site_has_its_name_and_others_their_host(app: Flask) -> None:
    desk = desks()[BOBIGNY]
    assert name_website(desk) == "127.77.0.93"
    assert name_website(desk.model_copy(update={"platform": "ants"})) == "France Titres (ANTS)"
