"""A desk: one bookable page, the unit that is scheduled. What it *is*, as its prefecture's YAML file says.

And the intervals at which desks are checked, and the outcomes of checks, which the tables keep and the API shows.
"""

import datetime as dt
import re
import unicodedata
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from configs.ground.addresses import host_of, is_loopback, is_private
from configs.ground.strict_model import IsoDate, Strict
from configs.programs.browser_binary import missing_browser
from configs.settings import Constant, Settings, settings
from configs.world.slot_releases import Release, Window, list_windows, window

# Wished intervals, in seconds, of prefectures by their tier
TIERS = {
    1: Constant("TIER_1_SECONDS", 30.0),
    2: Constant("TIER_2_SECONDS", 60.0),
    3: Constant("TIER_3_SECONDS", 120.0),
}
# Interval of a desk that no entitled alert waits for: its checks show whether it can be watched, and so be sold
heartbeat_seconds = Constant("HEARTBEAT_SECONDS", 6 * 3600.0)
# Interval of a desk whose page asks for a captcha
captcha_probe_seconds = Constant("CAPTCHA_PROBE_SECONDS", 900.0)
# Interval of a desk whose site is under maintenance
MAINTENANCE_PROBE_SECONDS = 300
# Interval of a desk whose page was closed
CLOSED_PROBE_SECONDS = 86400
# Longest interval of a paused desk
pause_probe_seconds = Constant("PAUSE_PROBE_SECONDS", 3600.0)
# Longest rest of a host that names none itself
longest_rest_seconds = Constant("LONGEST_REST_SECONDS", 7200.0)
# By how much an interval may be longer, by lot
interval_jitter = Constant("INTERVAL_JITTER", 0.05)
# Longest full round over a desk's places, asked in turn, at which it is sold
ROUND_SECONDS = 900
# Longest pause between two requests of one visit; a third of it at least
_STEP_GAP_SECONDS = 3.0
# The same to a stand-in, which is no site that wants to be spared
_stand_in_gap_seconds = Constant("STAND_IN_GAP_SECONDS", 0.0)

FASTEST = 30  # seconds between two checks of a real site, whatever an operator writes
# Words of labels that say something of the health of who comes.
_HEALTH = re.compile(
    r"malad|m[eé]dic|sant[eé]|soin|handicap|h[oô]pita|psych|grossesse|invalid", re.IGNORECASE
)
_LOGIN = "its page needs a login that we do not have"
UNNAMED = "Page de rendez-vous n°"  # begins the labels of pages of which no source says what they are for
HOME_ZONE = "Europe/Paris"
# What is left after blanks around it were removed: at least one letter, no control character.
_ONE_LINE = r"^[\t-\r ]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*[\t-\r ]*$"
Slug = Annotated[str, Field(pattern=r"^[a-z0-9-]+$", max_length=80)]
Whole = Annotated[int, Field(strict=True)]


def find_step_gap() -> float:
    """Return a person's longest pause between two pages, in seconds: none where nothing leaves this machine."""
    return _stand_in_gap_seconds() if settings().loopback_only else _STEP_GAP_SECONDS


class Outcome(StrEnum):
    """Every check ends in exactly one of these."""

    SLOTS = "slots"
    NO_SLOTS = "no_slots"
    CAPTCHA = "captcha"
    BLOCKED = "blocked"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    MAINTENANCE = "maintenance"
    CLOSED = "closed"
    UNREACHABLE = "unreachable"
    UNREADABLE = "unreadable"

    @property
    def conclusive(self) -> bool:
        """Whether it proves something about slots."""
        return self in (Outcome.SLOTS, Outcome.NO_SLOTS)


def missing_token(platform: str) -> str | None:
    """Return the variable of the token that a platform's site asks for, where it is not set.

    A platform asks for one where there is a setting of its name with `_token`. Programs that ask no site are not given
    it, and trust GRANTED_TOKENS.
    """
    name, current = f"{platform}_token", settings()
    missing = name in Settings.model_fields and getattr(current, name) is None
    granted = current.program not in (None, "crawler") and platform in current.granted_tokens
    return name.upper() if missing and not granted else None


class Procedure(StrEnum):
    """What a person comes to the desk for."""

    TITRE_SEJOUR = "TITRE_SEJOUR"
    NATURALISATION = "NATURALISATION"
    VISA = "VISA"
    CARTE_IDENTITE = "CARTE_IDENTITE"
    PASSEPORT = "PASSEPORT"
    PERMIS_CONDUIRE = "PERMIS_CONDUIRE"
    CARTE_GRISE = "CARTE_GRISE"
    AUTRE = "AUTRE"


class Grade(StrEnum):
    """How sure we are of the address."""

    CONFIRMED = "confirmed"
    UNCONFIRMED = "unconfirmed"
    STALE = "stale"
    RETIRED = "retired"


_FORMER = {
    Grade.STALE: "its address is very old, or known to be dead",
    Grade.RETIRED: "it does not exist any more",
}


_tried: list[frozenset[str]] = [frozenset()]  # as the tables said last (api/models/tried_desks.py)


def set_tried_desks(desk_ids: Iterable[str]) -> None:
    """Let this process know the desks of stale addresses that are being tried, by what probes proved."""
    _tried[0] = frozenset(desk_ids)


class WatchLevel(StrEnum):
    """What can be known of it: slots, by checks or by people behind a captcha; that the procedure exists; nothing."""

    FULL = "full"
    PEOPLE = "people"
    PRESENCE = "presence"
    NONE = "none"


class Fetch(StrEnum):
    """How its page is had: asked for by HTTP, or opened in a browser, which costs a hundred times as much."""

    HTTP = "http"
    BROWSER = "browser"


def check_web_address(text: str) -> str:
    """Return an address of the web; raises ValueError for any other text."""
    parts = urlsplit(text)
    whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0  # .port may raise
    if not whole or parts.username is not None or not text.isprintable() or " " in text:
        raise ValueError("must be an address that begins with http:// or https:// and names a host")
    return text


def _zone_name(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # OSError: `Europe` is a folder of the database
        raise ValueError(f"{name!r} is no time zone: write an IANA name, e.g. Europe/Paris") from None
    return name


def _one_line(text: str) -> str:
    # a line break in a label would become a header of a mail
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise ValueError("holds a line break or another control character: write one line")
    return text


Text = Annotated[
    str,
    Field(min_length=1, max_length=500, json_schema_extra={"pattern": _ONE_LINE}),
    AfterValidator(_one_line),
]
WebAddress = Annotated[str, Field(max_length=2000), AfterValidator(check_web_address)]
ZoneName = Annotated[str, AfterValidator(_zone_name)]


@lru_cache
def zone_of(name: str) -> ZoneInfo:
    """Return the time zone of that IANA name."""
    return ZoneInfo(name)


@lru_cache
def zone_or_home(name: str) -> ZoneInfo:
    """Return the time zone of that name, or that of Paris: a name that was kept may have left the list since."""
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return ZoneInfo(HOME_ZONE)


class DeskEntry(Strict):
    """The entry of one bookable page in a prefecture's file.

    `interval` (seconds) replaces the tier's; `horizon` (days) is how far ahead a slot counts;
    `parameters` are the platform's own, which the crawler checks; `releases`: when a source says that slots are
    published; `watch` is none, whatever the file says, while the token that the platform's site asks for is not set,
    or the browser that `fetch` asks for is missing; `stealth`: that browser does not say that it is driven.
    `neutral_label`: how messages call a desk whose label reveals health; its alerts need explicit consent.
    `because`: what a desk of `watch: none` lacks, and what to do about it (a login, if it does not say).
    """

    slug: Slug
    label: Text
    neutral_label: Annotated[Text | None, Field(validate_default=True)] = None
    procedures: Annotated[frozenset[Procedure], Field(min_length=1)]
    site: Text | None = None
    platform: Annotated[str, Field(pattern=r"^[a-z0-9_]+$", max_length=40)]
    url: WebAddress
    parameters: dict[str, Any] = Field(default_factory=dict)
    grade: Grade
    source: Text
    date: IsoDate
    interval: Annotated[Whole, Field(ge=1, le=7 * 86400)] | None = None
    horizon: Annotated[Whole, Field(ge=1, le=730)] = 90
    fetch: Fetch = Fetch.HTTP
    stealth: Annotated[bool, Field(strict=True)] = False
    because: Text | None = None
    watch: Annotated[WatchLevel, Field(validate_default=True)] = WatchLevel.FULL
    releases: tuple[Release, ...] = ()

    @field_validator("url")
    @classmethod
    def _anybodys(cls, url: str) -> str:
        if is_private(urlsplit(url).hostname or ""):
            raise ValueError("points into a private network: name the page as everybody opens it")
        return url

    @field_validator("interval")
    @classmethod
    def _polite(cls, seconds: int | None, info: ValidationInfo) -> int | None:
        hasty = seconds is not None and seconds < FASTEST
        if hasty and not is_stand_in(host_of(info.data.get("url", ""))):
            raise ValueError(f"is below {FASTEST} seconds, which only stand-ins on loopback allow")
        return seconds

    @field_validator("neutral_label")
    @classmethod
    def _discreet(cls, neutral: str | None, info: ValidationInfo) -> str | None:
        if neutral is None and reveals_health(info.data.get("label", "")):
            raise ValueError("is missing: the label reveals health, and messages need a name that does not")
        if neutral is not None and reveals_health(neutral):
            raise ValueError(f"reveals health itself: {neutral!r}")
        return neutral

    @field_validator("watch")
    @classmethod
    def _lacking(cls, level: WatchLevel, info: ValidationInfo) -> WatchLevel:
        if info.data.get("because") and level is not WatchLevel.NONE:
            raise ValueError("must be none where `because` says why the desk is not watched")
        browser = info.data.get("fetch") is Fetch.BROWSER and missing_browser()
        return WatchLevel.NONE if browser or missing_token(info.data.get("platform", "")) else level

    @property
    def host(self) -> str:
        """Return the `name:port` that budgets, back-off and blocks belong to."""
        return host_of(self.url)


class Desk(DeskEntry):
    """One bookable page: its entry, and what comes from the file around it.

    `position`: latitude and longitude of its prefecture's town, in degrees; `refused`: why its host is not to be
    asked, by what its rule decided; `proxy`: the entry of PROXY_LIST that its prefecture's checks go by.
    """

    prefecture_id: str
    time_zone: ZoneName = HOME_ZONE
    position: tuple[float, float] | None = None
    refused: str | None = None
    proxy: str | None = None

    @property
    def id(self) -> str:
        """Return `<prefecture>/<slug>`: chosen once, never reused."""
        return f"{self.prefecture_id}/{self.slug}"

    @property
    def reveals_health(self) -> bool:
        """Whether its label says something of the health of who comes."""
        return self.neutral_label is not None

    @property
    def message_label(self) -> str:
        """Return what messages call it."""
        return self.neutral_label or self.label

    @property
    def zone(self) -> ZoneInfo:
        """Return the time zone in which the desk's pages are read."""
        return zone_of(self.time_zone)

    @property
    def department(self) -> str:
        """Return the code of its department, in upper case."""
        return self.prefecture_id.rpartition("_")[2].upper()

    def release(self, now: dt.datetime) -> Window | None:
        """Return when slots are published by what a source says: the window around `now`, else the next one."""
        return window(self.releases, self.zone, self.department, now)

    def list_releases(self, now: dt.datetime, until: dt.datetime) -> list[Window]:
        """Return all windows between two instants in which slots are published by what a source says."""
        return list_windows(self.releases, self.zone, self.department, now, until)

    @property
    def is_named(self) -> bool:
        """Whether its file says what it is for; a desk without a name is not offered."""
        return not self.label.startswith(UNNAMED)

    @property
    def is_tried(self) -> bool:
        """Whether probes have proven its stale address: then it is checked like any other desk."""
        return self.grade is Grade.STALE and self.id in _tried[0]

    @property
    def is_former(self) -> bool:
        """Whether its address is known to take no bookings any more."""
        return self.grade in _FORMER and not self.is_tried

    @property
    def is_probed(self) -> bool:
        """Whether it is asked once a day if its stale address lives."""
        is_stale = self.grade is Grade.STALE and not self.is_tried
        return is_stale and not self.refused and self.watch is not WatchLevel.NONE

    @property
    def shows_slots(self) -> bool:
        """Whether it is checked and a check can see its slots: only then may it be sold."""
        return self.schedulable and self.watch is WatchLevel.FULL

    @property
    def in_rounds(self) -> bool:
        """Whether it is a department's town halls, asked in turn: its interval is that of a full round."""
        return self.platform == "citopia" and "department_code" in self.parameters

    def name_places(self, places: Mapping[str, tuple[str | None, str]]) -> tuple[str, str]:
        """Return where one goes for slots at these places of a desk that is asked in rounds, and the page to book on.

        `places`: by key the place's label and page. Of several the desk's own page.
        """
        names = dict.fromkeys(label or key for key, (label, _) in places.items())
        (_, page), *others = places.values()
        return ", ".join(names), self.url if others else page

    def is_round_too_long(self, seconds: float | None) -> bool:
        """Whether a full round takes too long for the desk to be sold; `seconds`: its feasible interval, if known."""
        return self.in_rounds and (seconds is None or seconds > ROUND_SECONDS)

    @property
    def schedulable(self) -> bool:
        """Whether it is checked at all."""
        return self.unwatched_because is None

    @property
    def unwatched_because(self) -> str | None:
        """Return why it is not checked; None where it is."""
        if self.is_former:
            return _FORMER[self.grade]
        if self.refused:
            return self.refused
        if self.watch is not WatchLevel.NONE:
            return None
        if self.because:
            return self.because
        if token := missing_token(self.platform):
            return f"its site asks for a token that we do not have ({token})"
        browser = missing_browser() if self.fetch is Fetch.BROWSER else None
        return f"its page needs a browser: {browser}" if browser else _LOGIN


def reveals_health(label: str) -> bool:
    """Tell whether a desk's label says something of the health of who comes."""
    return _HEALTH.search(label) is not None


def is_stand_in(host: str) -> bool:
    """Tell whether a `name:port` is on loopback."""
    return is_loopback(host.rpartition(":")[0])
