"""Bodies of /api/users/push-devices."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from api.schemas import Answer, Body, name_rule
from configs.ground.push_subscriptions import (
    ENDPOINT,
    LONGEST_ENDPOINT,
    PushSubscription,
    is_listed,
    read_host,
)
from configs.settings import settings
from configs.settings.push_keys import check_auth, check_public_key
from configs.world.desk import Text


def _check_endpoint(endpoint: str) -> str:
    host = read_host(endpoint)
    if not is_listed(host, settings().push_hosts):
        raise ValueError(f"{host} is not a push service that we hand messages to: use another browser")
    return endpoint


Endpoint = Annotated[
    str,
    Field(
        max_length=LONGEST_ENDPOINT,
        examples=["https://updates.push.services.mozilla.com/wpush/v2/gAAAAA"],
        json_schema_extra={"format": "uri", "pattern": ENDPOINT},
    ),
    name_rule("push_service", _check_endpoint),
]
_KEY = r"^[A-Za-z0-9_-]{87}=?$"
_AUTH = r"^[A-Za-z0-9_-]{22}(==)?$"


class DeviceKeys(Body):
    """The keys of a subscription, in base64url."""

    p256dh: Annotated[str, Field(alias="p256dh", pattern=_KEY), name_rule("push_key", check_public_key)]
    auth: Annotated[str, Field(pattern=_AUTH), name_rule("push_key", check_auth)]


class NewDevice(Body):
    """A browser's subscription, as `PushSubscription.toJSON()` has it, and what its owner calls the device.

    The browser must have subscribed for our `publicKey`.
    """

    endpoint: Endpoint
    keys: DeviceKeys
    name: Annotated[Text, Field(max_length=80, examples=["Firefox, Android"])]

    @property
    def subscription(self) -> PushSubscription:
        """The subscription itself, for our key of now."""
        key = settings().vapid_public_key or ""
        return PushSubscription(self.endpoint, self.keys.p256dh, self.keys.auth, key)


class DeviceAnswer(Answer):
    """One device. `lastSentAt`: when its push service took the last message that is still kept."""

    id: UUID
    name: str
    endpoint_digest: str = Field(
        description="The first 16 hexadecimal digits of the endpoint's SHA-256: by it a browser finds itself.",
    )
    created_at: datetime
    last_sent_at: datetime | None


class DeviceList(Answer):
    """The user's devices, the oldest first. `publicKey` is null where no push is set up: then none can be added."""

    public_key: str | None = Field(description="For `applicationServerKey` of PushManager.subscribe().")
    limit: int
    devices: list[DeviceAnswer]
