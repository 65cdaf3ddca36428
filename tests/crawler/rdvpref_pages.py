"""Pages of rdvpref, as its public script and other programs describe them. Nothing of it is recorded."""

import json
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from crawler.reading import Reading, VisitContext
from tests.crawler import pages
from tests.crawler.pages import PARIS, TODAY

HOST = "https://www.rdv-prefecture.interieur.gouv.fr"
DESK = f"{HOST}/rdvpref/reservation/demarche/1040/"
NONE_LEFT = "Aucun créneau disponible à partir de cette date.<br/>Veuillez réessayer ultérieurement."


def whole(title: str, content: str) -> str:
    return (
        f'<!DOCTYPE html><html lang="fr"><head><meta charset="utf-8"/><title>{title} - RDV-Préfecture</title></head>'
        f'<body><header><p>RDV-Préfecture</p></header><main id="page">{content}</main>'
        "<footer><p>Mentions légales</p></footer></body></html>"
    )


def tranche(moment: datetime, number: int = 0) -> dict[str, Any]:
    minutes = 60 * moment.hour + moment.minute
    return {"trhId": 7000 + number, "dateLocale": f"{moment:%d/%m/%Y}", "minutesDebut": minutes}


def agenda(tranches: Iterable[dict[str, Any]] = (), *, first: date = TODAY, **more: Any) -> dict[str, Any]:
    shown = {"premierJour": f"{first:%d/%m/%Y}", "nombreDeJour": 7, "premiereDispo": "", "prochainePub": None}
    return {**shown, "tranches": list(tranches), **more}


def choice(data: object, *, content: str = "") -> str:
    """Return the slot page with this vueData; `content` is what its script rendered in a browser."""
    state = {"vueData": data, "componentStates": {}, "uiMessageStack": {}, "vuiLang": "fr"}
    text = json.dumps(state, ensure_ascii=False).replace("<", "\\u003c")
    return whole(
        "Choisissez votre créneau",
        f'<p>Étape 3 sur 6</p><form method="post" action="../creneau/">{content or "<rdv-choix-tranche></rdv-choix-tranche>"}'
        f'</form><script id="vui-init-data" type="application/json">{text}</script>',
    )


def visit(url: str = DESK, zone: ZoneInfo = PARIS) -> VisitContext:
    return pages.visit(url, name="rdvpref", zone=zone)


def read(body: str, *, of: VisitContext | None = None) -> Reading:
    """Interpret a page of slots as the crawl does."""
    desk = of or visit()
    return pages.read(body, name="rdvpref", url=f"{desk.url}creneau/", of=desk)
