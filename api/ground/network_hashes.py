"""Hashes of networks, and of payers' names, with a daily salt: who is near whom, and no address."""

import hmac
import ipaddress
import secrets
from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.report import NetworkSalt, list_salt_days
from api.network_addresses import group_network_address

_PREFIXES = {4: 24, 6: 56}


def hash_networks(session: Session, address: str, now: datetime, payers: Iterable[str] = ()) -> list[bytes]:
    """Return hashes of an address's /24 or /56, and of who paid, by today's salt; until 00:15 by yesterday's, too.

    The first byte of a network's is the version of its protocol, of a payer's zero.
    """
    network = group_reporting_network(address)
    names = [(f"payer {' '.join(each.casefold().split())}", 0) for each in payers]
    names.insert(0, (network, 6 if ":" in network else 4))
    days = list(list_salt_days(now))
    salt = insert(NetworkSalt).values(day=days[0], salt=secrets.token_bytes(32))
    session.execute(salt.on_conflict_do_nothing())
    salts = session.scalars(sa.select(NetworkSalt.salt).where(NetworkSalt.day.in_(days))).all()
    return [
        bytes([first]) + hmac.digest(salt, name.encode(), "sha256")[:15]
        for salt in salts
        for name, first in names
    ]


def group_reporting_network(address: str) -> str:
    """Return the /24 or /56 of an address, which counts as one network of reports."""
    try:
        parsed = ipaddress.ip_address(group_network_address(address, 128).partition("/")[0])
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, _PREFIXES[parsed.version]), strict=False))
