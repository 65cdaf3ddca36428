"""ANTS: one address for the whole country; the prefecture determines the department of the search."""

from crawler.platform_detection.lookup_base import PlatformLookup


class AntsLookup(PlatformLookup):
    """The ids of ANTS desks."""

    BY_HAND = (
        "say whose desk it is (--prefecture ID), or write positions to search around (docs/platforms/ants.md)"
    )
