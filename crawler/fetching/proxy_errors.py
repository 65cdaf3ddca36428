"""Classifier of proxy failures: errors before the connection to the site stands are the proxy's."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from types import SimpleNamespace

import aiohttp
from scrapy import Request
from scrapy.http import Response

from crawler.fetching.errors import ProxyFailed

_UNPAID = 407  # the status by which a proxy asks for a password; no site answers with it
_GATEWAY = range(500, 600)
_CONNECTED: ContextVar[list[bool]] = ContextVar("connected")
_SITES = (aiohttp.ClientSSLError, aiohttp.InvalidURL)  # what goes wrong inside a tunnel that stands


def connection_trace() -> aiohttp.TraceConfig:
    """Return what notes for `by_proxy` that a connection stands, through the tunnel where there is one."""
    watched = aiohttp.TraceConfig()
    watched.on_connection_create_end.append(_note_connection)
    watched.on_connection_reuseconn.append(_note_connection)
    return watched


async def ask_by_proxy(ask: Callable[[Request], Awaitable[Response]], request: Request) -> Response:
    """Ask by the request's proxy.

    Raises:
        crawler.fetching.errors.ProxyFailed: it is the proxy that failed. All else as it came: that is the site's.
    """
    stands: list[bool] = []
    mark = _CONNECTED.set(stands)
    try:
        response = await ask(request)
    except (aiohttp.ClientError, TimeoutError) as error:
        if failure := _failure(error, stands=bool(stands)):
            raise failure from None
        raise
    finally:
        _CONNECTED.reset(mark)
    if response.status == _UNPAID:
        raise ProxyFailed("asks for another user and password (407)", own=True)
    return response


def _failure(error: aiohttp.ClientError | TimeoutError, *, stands: bool) -> ProxyFailed | None:
    """Sort what went wrong; None where it is the site's. `stands`: a connection stood already."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return ProxyFailed(f"opened no tunnel: {_describe_status(error)}", own=error.status not in _GATEWAY)
    if stands or isinstance(error, _SITES):
        return None
    if isinstance(error, aiohttp.ClientConnectorError):
        return ProxyFailed(f"could not be reached: {error.os_error.strerror or error.os_error}", own=True)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return ProxyFailed("accepted no connection in time", own=True)
    if isinstance(error, TimeoutError):
        return ProxyFailed("opened no tunnel in time", own=False)
    return ProxyFailed(f"opened no tunnel: {str(error) or type(error).__name__}", own=True)


async def _note_connection(client: aiohttp.ClientSession, about: SimpleNamespace, what: object) -> None:  # noqa: ARG001 -- aiohttp's own names do not matter
    _CONNECTED.get().append(True)


def _describe_status(error: aiohttp.ClientHttpProxyError) -> str:
    asks = (
        "it asks for another user and password"
        if error.status == _UNPAID
        else " ".join(error.message.split())
    )
    return f"{error.status}, {asks}"
