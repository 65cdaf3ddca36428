"""Registry of Stripe's object types: each file in this folder is one."""

from functools import lru_cache

from api.payments.object_base import StripeObject
from configs.class_registry import load_folder


@lru_cache(maxsize=1)
def object_types() -> dict[str, StripeObject]:
    """Return all object types by their file's name, imported at the first call."""
    return load_folder(__name__, __path__, StripeObject)  # type: ignore[type-abstract] # only its subclasses are built


@lru_cache(maxsize=1)
def types_by_event() -> dict[str, StripeObject]:
    """Return the object type of each event type that is applied."""
    return {event: each for each in object_types().values() for event in each.event_types}
