"""Subscriptions to web push: what a browser hands out, and which services messages may be handed to.

A subscription has the address that messages are posted to (RFC 8030) and the two keys that encrypt them (RFC 8291). The
address comes from outside: only hosts of PUSH_HOSTS are taken, which are the browser makers' push services.
"""

import json
import re
from collections.abc import Collection
from dataclasses import asdict, dataclass

LONGEST_ENDPOINT = 1000  # the longest known are Microsoft's, of some 600
# Nothing that two parsers of addresses could read in two ways: a user, a backslash, a fragment, another port.
ENDPOINT = r"^https:/{2}[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+(:443)?/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*$"
_ENDPOINT = re.compile(ENDPOINT, re.ASCII)
_LONGEST_HOST = 253  # https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4


@dataclass(frozen=True, slots=True)
class PushSubscription:
    """A browser's subscription. The keys are base64url without padding."""

    endpoint: str
    p256dh: str  # the browser's public key, a point of P-256
    auth: str  # the secret that only the browser and we know
    # Our public key for which it subscribed; a service takes nothing that another one signed
    server_key: str = ""

    @property
    def host(self) -> str:
        """The name of the push service."""
        return read_host(self.endpoint)

    def is_of_former_key(self, public_key: str | None) -> bool:
        """Return whether it was made for another key than ours of now: nothing reaches it any more."""
        return bool(self.server_key and public_key) and self.server_key != public_key

    def as_address(self) -> str:
        """Return it as the address of a contact: JSON without `@`, by which addresses of mail are known."""
        text = json.dumps(asdict(self))
        return text.replace("@", "\\u0040")


def read_subscription(address: str) -> PushSubscription:
    """Return the subscription that `as_address` wrote.

    Raises:
        ValueError: it is none.
    """
    try:
        found = json.loads(address)
        given = str(found["endpoint"]), str(found["p256dh"]), str(found["auth"])
        return PushSubscription(*given, str(found.get("server_key", "")))
    except (KeyError, TypeError) as error:
        raise ValueError("no subscription to web push") from error


def read_host(endpoint: str) -> str:
    """Return the host of a subscription's address.

    Raises:
        ValueError: it is no address that a push service gives.
    """
    host = endpoint.removeprefix("https://").partition("/")[0].removesuffix(":443")
    if len(endpoint) > LONGEST_ENDPOINT or not _ENDPOINT.fullmatch(endpoint) or len(host) > _LONGEST_HOST:
        raise ValueError(
            "is no address of a push service: send what PushManager.subscribe() returned, unchanged"
        )
    return host


def is_listed(host: str, listed: Collection[str]) -> bool:
    """Return whether a host is one of those listed. `*.example.org` means every name below, and not for itself."""
    return any(host == each or (each[:2] == "*." and host.endswith(each[1:])) for each in listed)
