"""Providers of each channel, and those that the circuit breakers of all workers leave alone."""

from api.models.user import Channel
from configs.ground.circuit_breaker import PROVIDER_REST_SECONDS, PROVIDER_SLOW_SECONDS, CircuitBreaker
from configs.settings import settings


def list_providers(channel: Channel) -> tuple[str, ...]:
    """Return the providers of a channel, those to try first in front."""
    others = {
        Channel.SMS: ("twilio",),
        Channel.TELEGRAM: ("telegram",),
        Channel.VOICE: ("twilio_calls",),
        Channel.PUSH: ("web_push",),
    }
    return settings().mail_providers if channel is Channel.EMAIL else others[channel]


def list_down(channel: Channel) -> list[str]:
    """Return the providers whose circuit breaker is open, whether or not one call might try again by now."""
    rest = PROVIDER_REST_SECONDS()
    return [name for name in list_providers(channel) if CircuitBreaker(name, rest).is_open()]


def read_left_alone(channel: Channel) -> dict[str, float]:
    """Return the providers whose circuit breaker is open, with the seconds until one call tries again."""
    rest, slow = PROVIDER_REST_SECONDS(), PROVIDER_SLOW_SECONDS
    waits = {name: CircuitBreaker(name, rest, slow).read_wait() for name in list_providers(channel)}
    return {name: round(wait, 3) for name, wait in waits.items() if wait}
