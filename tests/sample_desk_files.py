"""Desk files of invented worlds: measurements and tests write the same prefecture."""

from collections.abc import Collection, Iterable
from datetime import date
from urllib.parse import urlsplit

import yaml

DEPARTMENT = 'department: "91"'
_CAPITAL = "Évry-Courcouronnes"
PREFECTURE = "evry-courcouronnes_91"  # the id that this capital makes, and the file's name
_FILE = """\
name: Essonne
{department}
region: Île-de-France
chef_lieu: {capital}
latitude: 48.633
longitude: 2.441
site: https://www.essonne.gouv.fr
time_zone: Europe/Paris
tier: {tier}
"""
_HOST = "  {host}: {{budget: {budget}, reason: {reason}}}\n"
_DESK = """\
  - slug: {slug}
    label: {label}
    procedures: [{procedures}]
    platform: ezbooking
    url: {url}
    grade: {grade}
    source: made up
    date: {day}
{more}"""


def prefecture_file(*, tier: int, hosts: Iterable[str], desks: Iterable[str], capital: str = _CAPITAL) -> str:
    """Return the text of a desk file; `hosts` and `desks` are what `host_entry` and `desk_entry` return."""
    head = _FILE.format(department=DEPARTMENT, capital=capital, tier=tier)
    return head + _section("hosts", hosts, "{}") + _section("desks", desks, "[]")


def host_entry(host: str, budget: float, reason: str) -> str:
    """Return a host's rule: `name:port`, requests a minute."""
    return _HOST.format(host=host, budget=budget, reason=reason)


def desk_entry(
    slug: str,
    url: str,
    day: date,
    *,
    label: str | None = None,
    procedures: Collection[str] = ("NATURALISATION",),
    grade: str = "confirmed",
    **more: str | int | None,
) -> str:
    """Return a desk of EZBooking's; `more` is what else its entry says (`interval`, `site`), None what it does not."""
    said = "".join(f"    {name}: {value}\n" for name, value in more.items() if value is not None)
    return _DESK.format(
        slug=slug,
        url=url,
        day=day,
        label=label or slug,
        procedures=", ".join(procedures),
        grade=grade,
        more=said,
    )


def only(platform: str, text: str, *, with_people: bool = False) -> str:
    """Return a desk file's text with one platform's desks, and the rules of their hosts: one system, one spider.

    `with_people`: and with the desks that people watch.
    """
    told = yaml.safe_load(text)
    told["desks"] = [
        each
        for each in told["desks"]
        if each["platform"] == platform or (with_people and each.get("watch") == "people")
    ]
    kept = {urlsplit(desk["url"]).netloc for desk in told["desks"]}
    told["hosts"] = {host: rule for host, rule in told.get("hosts", {}).items() if host in kept}
    return str(yaml.safe_dump(told, allow_unicode=True, sort_keys=False))


def add_people_desks(text: str, copies: int) -> str:
    """Return a desk file with copies of the desk that people watch, which checks visit once, and nobody else waits at."""
    told = yaml.safe_load(text)
    for desk in [each for each in told["desks"] if each.get("watch") == "people"]:
        desk |= {"interval": 86_400, "procedures": ["NATURALISATION"]}
        told["desks"] += [desk | {"slug": f"{desk['slug']}-{number}"} for number in range(copies)]
    return str(yaml.safe_dump(told, allow_unicode=True, sort_keys=False))


def _section(name: str, entries: Iterable[str], nothing: str) -> str:
    said = "".join(entries)
    return f"{name}:\n{said}" if said else f"{name}: {nothing}\n"
