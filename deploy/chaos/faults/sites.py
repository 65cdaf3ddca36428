"""Booking sites that hang, drip, flood or break off."""

import time

from deploy.chaos.faults import Field, fault
from deploy.chaos.journal import Spell
from deploy.chaos.sandbox_control import code_of

_WHILE = 7.0  # seconds: longer than a check's deadline


def _misbehaves(field: Field, mode: str) -> None:
    code = code_of(field.rng.choice(field.desks))
    with field.outside.sites_in([code], mode):
        time.sleep(_WHILE)


@fault("sites")
def site_hangs(field: Field, _spell: Spell) -> None:
    """No answer, for ever."""
    _misbehaves(field, "hang_forever")


@fault("sites")
def site_drips(field: Field, _spell: Spell) -> None:
    """A byte a second."""
    _misbehaves(field, "drip")


@fault("sites")
def site_floods(field: Field, _spell: Spell) -> None:
    """10 MB."""
    _misbehaves(field, "big")


@fault("sites")
def site_breaks_off(field: Field, _spell: Spell) -> None:
    """A reset in the middle of the page."""
    _misbehaves(field, "reset")


@fault("sites", "dns", needs="names")
def name_hangs(field: Field, _spell: Spell) -> None:
    """The look-up of a site's name gets no answer."""
    with field.world.names_hang():
        time.sleep(_WHILE)
