"""Look-up of push services' names: refused where any address is not public, and connected to as resolved."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor

from aiohttp.abc import AbstractResolver, ResolveResult

from configs.ssrf_guard import is_public, parse_address

_AT_ONCE = 8  # names that are looked up at the same time


class PrivateAddress(OSError):
    """A name leads to an address that is not of the public internet."""


class GuardedResolver(AbstractResolver):
    """Resolves a name once for a connection; the connection goes to one of these addresses.

    Look-ups of one name at the same time are one, so that a silent name server keeps a thread for each name at most.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_AT_ONCE, "push-names")
        self._asked: dict[tuple[str, int, int], asyncio.Future[list[ResolveResult]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a name.

        Raises:
            PrivateAddress: one of them is not public.
            OSError: the name has none.
        """
        key = (host, port, int(family))
        if key not in self._asked:
            loop = asyncio.get_running_loop()
            self._asked[key] = loop.run_in_executor(self._threads, _look_up, host, port, family)
            self._asked[key].add_done_callback(lambda _: self._asked.pop(key))
        return await asyncio.shield(self._asked[key])

    async def close(self) -> None:
        """Let look-ups that are under way end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int, family: int) -> list[ResolveResult]:
    found = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
    addresses = [(each[0], str(each[4][0])) for each in found]
    for _, address in addresses:
        parsed = parse_address(address)
        if parsed is None or not is_public(parsed):
            raise PrivateAddress(f"{host} leads to {address}, which is not of the public internet")
    numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return [
        ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=numeric)
        for kind, address in addresses
    ]
