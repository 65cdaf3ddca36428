"""DNS resolver with threads and a time limit of its own: a dead name delays no other."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor

from aiohttp.abc import AbstractResolver, ResolveResult


class DnsResolver(AbstractResolver):
    """Resolves on threads of its own: a look-up holds one until the system gives up, and asyncio has few.

    `seconds`: the time limit of a look-up; `threads`: how many may run at once.
    """

    def __init__(self, seconds: float, threads: int) -> None:
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return a host's addresses.

        Raises:
            OSError: it has none, or there was no answer in time.
        """
        asked = asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host, port, family)
        try:
            return await asyncio.wait_for(asked, self._seconds)
        except TimeoutError:
            raise OSError(f"no answer for {host} within {self._seconds:g} s") from None

    async def close(self) -> None:
        """Drop look-ups that are under way."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int, family: int) -> list[ResolveResult]:
    found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [
        ResolveResult(hostname=host, host=str(address[0]), port=port, family=kind, proto=proto, flags=0)
        for kind, _, proto, _, address in found
    ]
