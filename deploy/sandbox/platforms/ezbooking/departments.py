"""The eight departments that have a booking site in the sandbox, with their forms and plannings.

The numbers of 77, 91, 93 and 94 are those seen on the real sites; those above 990000 exist only here.
"""

from __future__ import annotations

from typing import Final

from deploy.sandbox.addresses import department_host
from deploy.sandbox.stand_in_types import Form, Planning, StandIn


def _counters(*numbers: int) -> tuple[Planning, ...]:
    letters = "ABCDEFGH"
    return tuple(
        Planning(number, f"Guichet {letter}") for number, letter in zip(numbers, letters, strict=False)
    )


def _department(code: str, name: str, within: str, town: str, forms: tuple[Form, ...]) -> StandIn:
    return StandIn(code, name, within, town, department_host(code), forms)


_NATURALISATION: Final = "Demande de naturalisation"
_FAMILY: Final = "Titre de séjour « vie privée et familiale »"
_HANDOVER: Final = "Remise d'un titre de séjour"

DEPARTMENTS: Final = (
    _department(
        "75",
        "Paris",
        "à Paris",
        "Paris",
        (
            Form(990075, _NATURALISATION, _counters(990175, 990275)),
            Form(990085, _HANDOVER, _counters(990185)),
        ),
    ),
    _department(
        "77",
        "Seine-et-Marne",
        "en Seine-et-Marne",
        "Torcy",
        (Form(48803, _NATURALISATION, _counters(48804)),),
    ),
    _department(
        "78", "Yvelines", "dans les Yvelines", "Versailles", (Form(990078, _HANDOVER, _counters(990178)),)
    ),
    _department(
        "91",
        "Essonne",
        "dans l'Essonne",
        "Évry-Courcouronnes",
        (Form(23014, _NATURALISATION, _counters(23018, 23198, 23199, 23200, 23201)),),
    ),
    _department(
        "92",
        "Hauts-de-Seine",
        "dans les Hauts-de-Seine",
        "Nanterre",
        (Form(990092, _FAMILY, _counters(990192, 990292, 990392)),),
    ),
    _department(
        "93",
        "Seine-Saint-Denis",
        "en Seine-Saint-Denis",
        "Bobigny",
        (Form(9845, _FAMILY, _counters(9847)), Form(16105, _HANDOVER, _counters(16106, 16107))),
    ),
    _department(
        "94",
        "Val-de-Marne",
        "dans le Val-de-Marne",
        "Créteil",
        (Form(4963, _NATURALISATION, _counters(19604, 19866, 20424, 20823)),),
    ),
    _department(
        "95",
        "Val-d'Oise",
        "dans le Val-d'Oise",
        "Cergy",
        (Form(990095, _FAMILY, _counters(990195)), Form(990096, _HANDOVER, _counters(990196, 990296))),
    ),
)
