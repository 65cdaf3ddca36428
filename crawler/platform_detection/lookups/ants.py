"""ANTS: one address for the whole country; which department is searched, its prefecture says."""

BY_HAND = (
    "say whose desk it is (--prefecture ID), or write positions to search around (docs/platforms/ants.md)"
)
