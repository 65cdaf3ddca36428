"""The pages of the wizard: which template, which progress pictures."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from deploy.sandbox.templating import render

if TYPE_CHECKING:
    from deploy.sandbox.stand_in_types import Form, StandIn

PICTURES: Final = "/extension/booking/design/images"
_STEPS: Final = {
    1: "Prise de rendez-vous",
    3: "Descriptif",
    4: "Choix d'une plage",
    6: "Contrôle de sécurité",
    8: "Coordonnées personnelles",
    9: "Valider et terminer",
}


def progress(current: int | None, done: int = 0) -> list[tuple[str, str]]:
    """Return (picture, title) of the steps; ``r`` marks the current one, ``G`` those up to ``done``."""
    return [
        (f"{PICTURES}/etape_{step}{'r' if step == current else 'G' if step <= done else ''}.png", title)
        for step, title in _STEPS.items()
    ]


@lru_cache(maxsize=1024)
def page(
    template: str,
    site: StandIn,
    form: Form,
    *,
    prefix: str,
    step: int,
    planning: int = 0,
    offered: tuple[tuple[str, str], ...] = (),
) -> bytes:
    """Return a page of the wizard as UTF-8; rendered once, since only slots change and they are not in it.

    Args:
        template: file in templates/ezbooking/.
        site: whose page it is.
        form: the booking page.
        prefix: what stands before ``/booking`` in links ("" or "/index.php").
        step: number in the page's own address.
        planning: the counter chosen, which the page of step 4 names in its script.
        offered: key and label of each counter that step 1 offers.
    """
    marks = {0: (1, 0), 1: (1, 0), 2: (None, 1), 3: (3, 1), 4: (4, 3)}
    return render(
        f"ezbooking/{template}",
        site=site,
        form=form,
        base=f"{prefix}/booking/create/{form.number}",
        prefix=prefix,
        step=step,
        planning=planning,
        offered=offered,
        steps=progress(*marks[step]),
    ).encode()
