"""EZBooking's pages with nothing but what tells them apart."""

from collections.abc import Collection
from datetime import date, timedelta

CONDITIONS = b'<html><input type="checkbox" id="condition" name="condition"></html>'
FULL = (
    b"<html><form id='FormBookingCreate'>Il n'existe plus de plage horaire libre pour votre demande de rendez-vous."
    b"<input name='finishButton' value='Terminer'></form></html>"
)
REFUSED = b"<html><title>403 Forbidden</title><h1>403 Forbidden</h1></html>"


def choice(plannings: Collection[int]) -> bytes:
    """Return step 1: which planning?"""
    lines = (
        f'<p><input type="radio" name="planning" id="planning{each}" value="{each}">'
        f'<label for="planning{each}">Guichet {each}</label></p>'
        for each in plannings
    )
    return f"<html><form>{''.join(lines)}</form></html>".encode()


def step(number: int, form: int, planning: int) -> bytes:
    """Return step 3 or 4, where only an open desk leads; step 4 names its calendar."""
    named = f"<script>'planning::assign::{form}::{planning}::'</script>" if number == 4 else ""  # noqa: PLR2004
    button = '<input name="nextButton" value="Etape suivante">'
    return f'<html><img src="/images/etape_{number}r.png"><form>{button}</form>{named}</html>'.encode()


def week(form: int, first: date, hours: Collection[int]) -> bytes:
    """Return the week that begins on `first`; `hours` are its free ones in unix seconds."""
    period = f"Semaine du {first:%d/%m/%Y} au {first + timedelta(days=6):%d/%m/%Y}"
    links = "".join(f'<a href="/booking/create/{form}/5/{hour}">libre</a>' for hour in hours)
    return (
        f'<table><tr><th colspan="7">{period}</th></tr><tr><td>{links}</td></tr></table><p>libre</p>'.encode()
    )
