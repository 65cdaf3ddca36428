"""Names of browsers and their systems, from the User-Agent of a request."""

import re

LONGEST = 60
_AGENT = re.compile(r"[!-'*-.0-9:-~]+")  # the first product of a User-Agent (RFC 9110, section 10.1.5)
# The order matters: Edge, Opera and Samsung's browser name Chrome too, and Chrome names Safari.
_BROWSERS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser/": "Samsung Internet",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "CriOS/": "Chrome",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
}
_SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "CrOS": "ChromeOS",
    "Macintosh": "Mac",
    "Linux": "Linux",
}


def name_browser(user_agent: str) -> str:
    """Return a browser's name and system, a program's first word, or "" where a request does not say."""
    browser, system = _find_word(user_agent, _BROWSERS), _find_word(user_agent, _SYSTEMS)
    if browser or system:
        return ", ".join(filter(None, (browser, system)))
    product = _AGENT.match(user_agent)
    return product.group()[:LONGEST] if product else ""


def _find_word(user_agent: str, words: dict[str, str]) -> str:
    return next((name for mark, name in words.items() if mark in user_agent), "")
