"""Networks of reports and registrations, as hashes with a daily salt: who is near whom, and no address."""

import hmac
import ipaddress
import secrets
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.report import NetworkSalt
from api.network_addresses import group_network_address
from configs.world.desk import HOME_ZONE, zone_of

SALT_ENDS = time(0, 15)  # of the day after, in HOME_ZONE
_PREFIXES = {4: 24, 6: 56}


def hash_networks(session: Session, address: str, now: datetime) -> list[bytes]:
    """Return the hashes of an address's /24 or /56 by today's salt, and until 00:15 by yesterday's."""
    network = group_reporting_network(address)
    days = list(list_salt_days(now))
    salt = insert(NetworkSalt).values(day=days[0], salt=secrets.token_bytes(32))
    session.execute(salt.on_conflict_do_nothing())
    salts = session.scalars(sa.select(NetworkSalt.salt).where(NetworkSalt.day.in_(days)))
    return [hmac.digest(salt, network.encode(), "sha256")[:16] for salt in salts]


def group_reporting_network(address: str) -> str:
    """Return the /24 or /56 of an address, which counts as one network of reports."""
    try:
        parsed = ipaddress.ip_address(group_network_address(address, 128).partition("/")[0])
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, _PREFIXES[parsed.version]), strict=False))


def list_salt_days(now: datetime) -> Iterator[date]:
    """Yield the days whose salts are kept."""
    here = now.astimezone(zone_of(HOME_ZONE))
    yield here.date()
    if here.time() < SALT_ENDS:
        yield here.date() - timedelta(days=1)
