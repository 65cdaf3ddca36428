"""Booking address: what a platform's own pattern makes of an address that somebody met or pasted.

Only host, number and known parameters are kept, and each of these has a pattern: people paste links that cancel their
own appointment. Of platforms that need parameters, which no address tells, only the shipped desks' forms are known.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit

from configs.ground.addresses import host_of, is_loopback
from configs.world.desk import check_web_address

_HOST = re.compile(r"([a-z0-9-]+\.)+[a-z][a-z0-9-]*")  # without a port: each would be a host of its own
_ID = r"[0-9]{1,10}"
_NAME = r"[\w-]{1,80}"
_LONGEST_PATH = 300


@dataclass(frozen=True, slots=True)
class _Form:
    """Form of a platform's addresses: the path up to its number, and its parameters by name."""

    platform: str
    path: re.Pattern[str]
    page: str  # the path to keep, of the groups of `path`
    parameters: dict[str, str] = field(default_factory=dict)  # the pattern of each value
    homes: tuple[str, ...] = ()  # the platform's own hosts


def _form(platform: str, path: str, page: str, *homes: str, **parameters: str) -> _Form:
    return _Form(platform, re.compile(path, re.ASCII), page, parameters, homes)


_FORMS = (
    _form("ezbooking", rf"(/index\.php|)/booking/create/({_ID})(?![\w-])", "{0}/booking/create/{1}"),
    _form(
        "rdvpref", rf"(/rdvpref|)/reservation/demarche/({_ID})(?![\w-])", "{0}/reservation/demarche/{1}/",
        "www.rdv-prefecture.interieur.gouv.fr",
    ),
    _form(
        "rdv_service_public", r"/prendre_rdv/?$", "/prendre_rdv", "rdv.anct.gouv.fr", public_link_organisation_id=_ID,
        motif_name_with_location_type=r"[\w-]{1,200}", departement=r"[0-9AB]{2,3}", service_id=_ID,
    ),
    _form(
        "orion", r"/orion-reservation/slots/?$", "/orion-reservation/slots", "esii-orion.com", account=r"\w{1,40}",
        config=r"\w{1,40}", usemode=r"\w{1,20}", code=r"\w{1,20}",
    ),
    _form(
        "esirius", rf"/({_NAME})/(?:appointment\.do|element/jsp/)", "/{0}/appointment.do", sitekey=r"\w{1,40}",
        preselectservice=r"\w{1,40}",
    ),
)  # fmt: skip
# Hosts of platforms, `name:port`: candidates there may be asked without a word of an operator.
PLATFORM_HOSTS = frozenset(f"{home}:443" for form in _FORMS for home in form.homes)


@dataclass(frozen=True, slots=True)
class BookingAddress:
    """A booking page's address, of which nothing can name a person. `platform`: None where no pattern knows it."""

    url: str
    platform: str | None = None
    number: str | None = None

    @property
    def host(self) -> str:
        """Return the `name:port` that budgets and rules belong to."""
        return host_of(self.url)

    @property
    def key(self) -> str:
        """Return what all spellings of the address have in common: without scheme and `www.`."""
        return self.url.partition("://")[2].removeprefix("www.")


def parse_booking_address(text: str) -> BookingAddress | None:
    """Return what a platform's pattern makes of an address, or None. All else of it is lost here, and is never kept."""
    if not (origin := _clean_origin(text)):
        return None
    parts = urlsplit(text.strip())
    for form in _FORMS:
        if found := form.path.match(parts.path):
            groups, given = found.groups(), dict(parse_qsl(parts.query))
            kept = {
                name: given[name]
                for name, value in form.parameters.items()
                if re.fullmatch(value, given.get(name, ""), re.ASCII)
            }
            if not (groups or kept):
                return None  # the platform's search, which is no page of anybody's
            query = f"?{urlencode(kept)}" if kept else ""
            numbers = (each for each in (*reversed(groups), *kept.values()) if each and each.isdecimal())
            url = f"{origin}{form.page.format(*groups)}{query}"
            return BookingAddress(url, form.platform, next(numbers, None))
    return None


def cut_address(text: str) -> BookingAddress | None:
    """Return an address that a prefecture's own site links, without query and fragment; None where it has no host."""
    origin = _clean_origin(text)
    return BookingAddress(origin + urlsplit(text.strip()).path[:_LONGEST_PATH]) if origin else None


def _clean_origin(text: str) -> str | None:
    """Return scheme and host of a web address, https but for stand-ins; None for other texts, or one with a login."""
    try:
        parts = urlsplit(check_web_address(text.strip()))
    except ValueError:
        return None
    host = parts.netloc.lower()
    scheme = parts.scheme if is_loopback(parts.hostname or "") else "https"
    ordinary = {"http": ":80", "https": ":443"}
    name = host.removesuffix(ordinary[parts.scheme])
    return f"{scheme}://{name}" if _HOST.fullmatch(name) or is_loopback(parts.hostname or "") else None
