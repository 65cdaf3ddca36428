"""Requests as browsers send them: pages drawn by their shares, in three languages, of visitors and of signed-in people.

Files are left out: a browser keeps them for a year. Answers of live parts are asked without an ETag, so that each is
sent whole.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from deploy.bench.api_server import SignedIn, draw_address
from deploy.bench.open_loop import build_request

Shares = dict[str, int]
# Parts of fifty. An open page asks for its live part again and again, so that those are the most.
PUBLIC: Shares = {
    "/": 3,
    "/departements": 1,
    "/departements/{place}": 2,
    "/departements/{place}/{slug}": 6,
    "/carte": 2,
    "/carte/direct": 3,
    "/calendrier": 1,
    "/fiabilite": 1,
    "/statut": 1,
    "/statut/en-direct": 2,
    "/conditions": 1,
    "/login": 1,
    "/register?prefecture={place}&procedure={procedure}": 1,
}
OWN: Shares = {
    "/dashboard": 5,
    "/alertes/{alert}": 4,
    "/alertes/{alert}/direct": 11,
    "/alertes/nouvelle?prefecture={place}&procedure={procedure}": 1,
    "/canaux": 1,
    "/formule": 1,
    "/profil": 1,
    "/securite": 1,
}
# Routes of the API that the pages' own queries answer too.
JSON: Shares = {
    "/api/prefectures/{place}/outlook?procedure={procedure}": 3,
    "/api/prefectures/map": 1,
    "/api/calendar": 1,
    "/api/reliability": 1,
}
_LANGUAGES = {"fr": 6, "ar": 2, "en": 2}


@dataclass
class PageMix:
    """Draws requests without end, and notes what it drew. `wishes`: prefecture and procedure of each."""

    shares: Shares
    people: Sequence[SignedIn]
    wishes: Sequence[tuple[str, str]]
    drawn: list[str] = field(default_factory=list)

    def __iter__(self) -> "PageMix":
        """Return itself."""
        return self

    def __next__(self) -> bytes:
        """Draw a request."""
        (path,) = random.choices(list(self.shares), list(self.shares.values()))  # noqa: S311 -- no secret
        self.drawn.append(path)
        person, (place, procedure) = random.choice(self.people), random.choice(self.wishes)  # noqa: S311 -- no secret
        slug = procedure.lower().replace("_", "-")
        url = path.format(place=place, procedure=procedure, slug=slug, alert=person.alert)
        return build_request(url, address=draw_address(), headers=_build_headers(path, person))


def _build_headers(path: str, person: SignedIn) -> dict[str, str]:
    (language,) = random.choices(list(_LANGUAGES), list(_LANGUAGES.values()))  # noqa: S311 -- no secret
    kind = "application/json" if path.startswith("/api/") or path.endswith("direct") else "text/html"
    headers = {"Accept": kind, "Accept-Encoding": "gzip, deflate", "Accept-Language": language}
    return headers | ({"Cookie": f"__Host-access={person.token}"} if path in OWN else {})


def list_wishes() -> list[tuple[str, str]]:
    """Return prefecture and procedure of each wish that a desk serves."""
    from api.prefectures.map_queries import list_serving_desks  # noqa: PLC0415 -- reads the environment
    from configs.prefecture import Procedure, prefectures  # noqa: PLC0415

    return [
        (place.id, procedure.value)
        for place in prefectures().values()
        for procedure in Procedure
        if list_serving_desks(place, procedure)
    ]
