"""Patterns of desk addresses: an address of another platform is refused before any request."""

import re

PAGE = re.compile(r"https?://[^/?#]+/+[^/?#]")  # any page of a site except its home page

KIND_TOWN_NAME = re.compile(r"https?://[^/]+/(?:[\w-]+/){2}(?P<name>[\w-]+)(?:[/?#]|$)")


def match_address(url: str, shape: re.Pattern[str], name: str, behind: str) -> re.Match[str]:
    """Match a desk's address. `behind`: the path of such an address, for the error's text.

    Raises:
        ValueError: the address does not match; the text says what it must be.
    """
    if found := shape.match(url):
        return found
    raise ValueError(f"{url} is no {name} address: it must be https://<site>/{behind}")
