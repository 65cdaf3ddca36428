import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from crawler.fetching.download_handler import DnsResolver


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give a name that no server answers for until the test is over."""
    over, really = threading.Event(), socket.getaddrinfo

    def ask(host: str, *how: Any, **more: Any) -> Any:
        if host == "dead.invalid":
            over.wait(200)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return really(host, *how, **more)

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    yield "dead.invalid"
    over.set()


def test_a_name_that_nobody_answers_for_is_given_up_and_holds_up_no_other(dead: str) -> None:
    async def look() -> list[Any]:
        names = DnsResolver(2, 3)
        asked = [names.resolve(name, 80) for name in (dead, dead, "localhost")]
        found = await asyncio.gather(*asked, return_exceptions=True)
        await names.close()
        return found

    first, second, other = asyncio.run(look())
    assert "no answer for dead.invalid within 2 s" in str(first)
    assert isinstance(first, OSError)
    assert isinstance(second, OSError)
    assert other[0]["hostname"] == "localhost"
