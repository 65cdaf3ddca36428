"""The question what an alert is for: a procedure as a whole, or one desk in its place."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from flask_babel import gettext as _
from markupsafe import Markup, escape

from api.models.watchability import Standing, is_unseen
from api.outlook.schemas import OutlookDesk
from api.pages.choices import PROCEDURE_NAMES
from api.pages.desk_labels import write_label
from api.pages.words import CLASSES, DOUBTED, SEEN, UNKNOWN, WatchClass, classify_watch
from configs.world.desk import Desk, Procedure
from configs.world.prefecture import Prefecture

Key = tuple[tuple[Procedure, ...], tuple[str, ...]]  # procedures, and ids of desks
Watched = Mapping[str, Standing] | Mapping[str, OutlookDesk]  # how desks are watched, by id


@dataclass(frozen=True, slots=True)
class Target:
    """A choice of the question. `is_folded`: its desk is not watched, for a lasting reason."""

    key: Key
    text: str
    watch: WatchClass
    is_folded: bool = False

    @property
    def is_watched(self) -> bool:
        """Whether checks see its slots: an order of it is taken."""
        return self.watch in (SEEN, DOUBTED)

    @property
    def value(self) -> str:
        """The choice as a form sends it."""
        return write_target(*self.key)


def write_target(procedures: Iterable[Procedure], desk_ids: Iterable[str]) -> str:
    """Return what an alert is for as the value of a field."""
    return ",".join((*procedures, *desk_ids))


def read_target(text: str) -> dict[str, list[str]]:
    """Return what the value of a field names, as an alert's JSON has it; ids of desks have a slash."""
    parts = [each for each in text.split(",") if each]
    return {
        "procedures": [each for each in parts if "/" not in each],
        "deskIds": [each for each in parts if "/" in each],
    }


def list_targets(
    place: Prefecture, procedures: Sequence[Procedure], watched: Watched, chosen: Key = ((), ())
) -> list[Target]:
    """Return the choices for these procedures of a prefecture, each desk once, and what is chosen in any case."""
    found: dict[Key, Target] = {}
    for procedure in procedures:
        serving = [desk for desk in place.desks if procedure in desk.procedures and desk.id in watched]
        key: Key = ((procedure,), ())
        found[key] = _build_target(key, str(PROCEDURE_NAMES[procedure]), serving, watched)
        for desk in serving if len(serving) > 1 else ():
            text = escape(_("Seulement : %(desk)s")) % {"desk": name_desk(desk)}
            found.setdefault(((), (desk.id,)), _build_target(((), (desk.id,)), text, [desk], watched))
    if any(chosen) and chosen not in found:
        named = [desk for desk in place.desks if desk.id in chosen[1]]
        text = Markup(" + ").join(
            [*(str(PROCEDURE_NAMES[each]) for each in chosen[0]), *map(name_desk, named)]
        )
        others = [desk for desk in place.desks if desk.procedures & {*chosen[0]}]
        found = {chosen: _build_target(chosen, text, named + others, watched)} | found
    return list(found.values())


def name_desk(desk: Desk) -> Markup:
    """Return a desk's name: its label and its site, which no other desk of the prefecture has."""
    return write_label(desk.label, desk.site)


def _build_target(key: Key, text: str, about: Sequence[Desk], watched: Watched) -> Target:
    found = [watched[desk.id] for desk in about]
    best = min(map(classify_watch, found), key=CLASSES.index, default=UNKNOWN)
    is_folded = not key[0] and all(is_unseen(each.not_watchable) for each in found)
    return Target(key, text, best, is_folded)
