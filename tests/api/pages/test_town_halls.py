"""Pages of a department's town halls: which answered, that others are elsewhere, and why one is not sold."""

from collections.abc import Callable
from pathlib import Path

from api.models.alert import AlertTarget
from api.models.desk import DeskState
from api.models.user import User
from tests.api.world import TOWN_HALLS, add_town_halls, watch_town_halls
from tests.clients import Browser
from tests.factories import add_alert, change, one

ADVICE = "/departements/bobigny_93/passeport"
ANSWERED = "Mairies qui ont répondu : Aubervilliers (93300) n° 2."
OTHERS = "Les autres mairies du département utilisent d’autres systèmes"
TOO_LONG = "Un tour de ses mairies prend plus de 15 minutes"


def read(browser: Browser, url: str) -> str:
    """Return the text of a page in one line."""
    return " ".join(browser.get(url).text.split())


def test_pages_say_which_town_halls_answered_and_that_others_are_elsewhere(
    camille: Browser, tmp_path: Path, settings_env: Callable[..., None]
) -> None:
    add_town_halls(tmp_path, settings_env)
    watch_town_halls(16)
    target = AlertTarget(desk_id=TOWN_HALLS)
    alert = add_alert(one(User).id, target, enabled=False, awaits_watch=True)
    for url in (ADVICE, f"/alertes/{alert}"):
        text = read(camille, url)
        assert ANSWERED in text
        assert OTHERS in text
        assert TOO_LONG in text
    change(DeskState, feasible_seconds=600)
    assert TOO_LONG not in read(camille, f"/alertes/{alert}")


def test_a_page_says_that_nobody_has_decided(
    visitor: Browser, tmp_path: Path, settings_env: Callable[..., None]
) -> None:
    add_town_halls(tmp_path, settings_env, "https://rendezvousonline.fr/")
    assert "Nous n’avons pas encore vérifié que ce site accepte" in read(visitor, ADVICE)
