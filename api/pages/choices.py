"""Departments and procedures: in addresses and forms of pages (`titre-sejour`), found by what people type."""

import re
import unicodedata
from difflib import get_close_matches

from flask_babel import LazyString, lazy_gettext

from configs.ground.text import clean_typed
from configs.world.desk import Procedure
from configs.world.prefecture import Prefecture, prefectures

_l = lazy_gettext
PROCEDURE_NAMES: dict[Procedure, LazyString] = {
    Procedure.TITRE_SEJOUR: _l("Titre de séjour"),
    Procedure.NATURALISATION: _l("Naturalisation"),
    Procedure.VISA: _l("Visa"),
    Procedure.CARTE_IDENTITE: _l("Carte d’identité"),
    Procedure.PASSEPORT: _l("Passeport"),
    Procedure.PERMIS_CONDUIRE: _l("Permis de conduire"),
    Procedure.CARTE_GRISE: _l("Carte grise"),
    Procedure.AUTRE: _l("Autre démarche"),
}
_LONGEST = 80  # characters of a search
_POSTCODE = re.compile(r"(?<!\d)\d(?: ?\d){4}(?! ?\d)")  # also of `93 000`, `F-93000`, `93200 Saint-Denis`
_OVERSEAS = ("97", "98")
_CORSICA = {  # by the first three figures; 203, 204 and 207 are of firms (Cedex)
    "200": "2A", "201": "2A", "203": "2A", "207": "2A", "202": "2B", "204": "2B", "206": "2B",
}  # fmt: skip
# Towns whose districts are numbered, and the last of them: `Paris 15` is no place in department 15.
_DISTRICTS = {"paris": 20, "lyon": 9, "marseille": 16}
_ARTICLES = ("la ", "l ", "les ")


def write_slug(procedure: Procedure) -> str:
    """Return a procedure as it stands in addresses."""
    return procedure.value.lower().replace("_", "-")


def find_procedure(text: str) -> Procedure | None:
    """Return the procedure that an address names, by its slug or as the API writes it; None for an unknown one."""
    name = text.upper().replace("-", "_")
    return Procedure(name) if name in Procedure.__members__ else None


def list_procedures() -> list[tuple[str, LazyString]]:
    """Return slug and name of all procedures, for a form."""
    return [(write_slug(procedure), name) for procedure, name in PROCEDURE_NAMES.items()]


def list_places() -> list[Prefecture]:
    """Return all departments in the order of their codes."""
    return sorted(prefectures().values(), key=lambda place: place.department)


def list_place_options() -> list[tuple[str, str]]:
    """Return id and name of all departments, for a form."""
    return [(place.id, f"{place.department} – {place.name}") for place in list_places()]


def find_place(text: str) -> Prefecture | None:
    """Return the department of an id (`bobigny_93`) or of a code (`93`, `2a`)."""
    if found := prefectures().get(text):
        return found
    return next((place for place in list_places() if place.department == text.upper()), None)


def search_places(text: str) -> list[Prefecture]:
    """Return the departments that a search means: all of them where it is empty, similar names where none fits."""
    wanted = _simplify(clean_typed(text[:_LONGEST]))
    places = list_places()
    if code := _find_postcode(wanted):
        return [place for place in places if place.department == code]
    if found := _find_by_words(wanted, places):
        return found
    if found := [place for place in places if any(wanted in name for name in _list_names(place))]:
        return found
    if found := _find_by_end(wanted, places):
        return found
    names = {name: place for place in places for name in _list_names(place)}
    return list({names[name].id: names[name] for name in get_close_matches(wanted, names, n=3)}.values())


def _list_names(place: Prefecture) -> list[str]:
    return [_simplify(each) for each in (place.name, place.department, place.chef_lieu)]


def _find_postcode(wanted: str) -> str | None:
    """Return the department of the post code that a search holds."""
    if (found := _POSTCODE.search(wanted)) is None:
        return None
    code = found[0].replace(" ", "")
    return _CORSICA.get(code[:3]) or code[: 3 if code.startswith(_OVERSEAS) else 2]


def _find_by_words(wanted: str, places: list[Prefecture]) -> list[Prefecture]:
    """Return the department whose code is among the words of a search.

    Behind a town it decides (`Vincennes (94)`, `Saint-Denis - 93`), except for districts (`Paris 15`). Elsewhere a
    chef-lieu decides.
    """
    words = wanted.upper().split()
    codes = {place.department for place in places} & set(words)
    if len(codes) != 1:
        return []
    code = codes.pop()
    town = " ".join(word for word in words if word != code).lower()
    coded = [place for place in places if place.department == code]
    named = [place for place in places if town in (_simplify(place.name), _simplify(place.chef_lieu))]
    is_district = code.isdigit() and int(code) <= _DISTRICTS.get(town, 0)
    is_behind = words[-1] == code and not is_district
    return coded if is_behind or not named or coded[0] in named else named


def _find_by_end(wanted: str, places: list[Prefecture]) -> list[Prefecture]:
    """Return the department whose name stands behind a town: `Saint-Denis, La Réunion`."""
    ends = [(f" {_name_without_article(place)}", place) for place in places]
    named = [(len(end), place) for end, place in ends if wanted.endswith(end)]
    longest = max((length for length, _ in named), default=0)  # Val-de-Marne ends as Marne does
    return [place for length, place in named if length == longest]


def _name_without_article(place: Prefecture) -> str:
    name = _simplify(place.name)
    return next((name.removeprefix(each) for each in _ARTICLES if name.startswith(each)), name)


def _simplify(text: str) -> str:
    """Return a name in small letters, without accents, hyphens and apostrophes."""
    plain = "".join(
        each for each in unicodedata.normalize("NFD", text.casefold()) if not unicodedata.combining(each)
    )
    return " ".join(re.sub(r"[\W_]", " ", plain).split())
