"""Desks' addresses by their shape: one that is not its platform's is refused in words, before anything is asked."""

import re

PAGE = re.compile(r"https?://[^/?#]+/+[^/?#]")  # any page of a site but its home page

KIND_TOWN_NAME = re.compile(r"https?://[^/]+/(?:[\w-]+/){2}(?P<name>[\w-]+)(?:[/?#]|$)")


def shaped(url: str, shape: re.Pattern[str], name: str, behind: str) -> re.Match[str]:
    """Return what an address of a platform holds. `behind`: what stands behind the site in such an address.

    Raises:
        ValueError: it has another shape; the text names the one that it must have.
    """
    if found := shape.match(url):
        return found
    raise ValueError(f"{url} is no {name} address: it must be https://<site>/{behind}")
