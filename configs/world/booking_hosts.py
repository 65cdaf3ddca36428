"""Hosts of candidates: whose a host is, whether a visit may ask it, and which desk has an address already."""

from urllib.parse import urlsplit

from configs.world.booking_address import PLATFORM_HOSTS, BookingAddress, parse_booking_address
from configs.world.desk import Desk
from configs.world.host_rule import Decision
from configs.world.prefecture import desks, desks_by_host, host_rules, prefectures


def find_owner(host: str) -> str | None:
    """Return the prefecture on whose own domain a host (`name:port`) is, or whose desks alone are there."""
    name = host.rpartition(":")[0]
    for place in prefectures().values():
        own = (urlsplit(place.site).hostname or "").removeprefix("www.")
        if f".{name}".endswith(f".{own}"):
            return place.id
    owners = {desk.prefecture_id for desk in desks_by_host().get(host, ())}
    return owners.pop() if len(owners) == 1 else None


def explain_unasked(host: str) -> str | None:
    """Return why the files let no candidate of a host be visited; None where they do."""
    rule = host_rules().get(host)
    if rule and rule.refusal:
        return rule.refusal
    is_allowed = rule is not None and rule.robots is not None and rule.robots.decision is Decision.ALLOWED
    if is_allowed or host in PLATFORM_HOSTS or host in desks_by_host() or find_owner(host):
        return None
    return "no desk file, prefecture's domain or platform names this host: allow it in configs/hosts.yaml"


def find_desk_at(address: BookingAddress) -> Desk | None:
    """Return the desk of a file that an address is a spelling of, if there is one."""
    for desk in desks().values():
        known = parse_booking_address(desk.url)
        if known and known.key == address.key:
            return desk
    return None
