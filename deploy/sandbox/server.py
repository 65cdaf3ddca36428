"""All stand-ins of the sandbox together: built, started and stopped as one, in one event loop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from aiohttp import web

from deploy.sandbox import addresses
from deploy.sandbox.inbox import Inbox
from deploy.sandbox.listener import Listener, listen
from deploy.sandbox.outbox import Outbox
from deploy.sandbox.platforms import stand_ins
from deploy.sandbox.providers.push import PushService
from deploy.sandbox.providers.sendgrid import SendGrid
from deploy.sandbox.providers.sentry import Sentry
from deploy.sandbox.providers.smtp import Smtp
from deploy.sandbox.providers.telegram import Telegram
from deploy.sandbox.providers.twilio import Twilio
from deploy.sandbox.providers.twilio_calls import TwilioCalls
from deploy.sandbox.request_body import Refusal
from deploy.sandbox.sites.site import Site, make_site_app
from deploy.sandbox.stripe.stand_in import Stripe
from deploy.sandbox.world import play

if TYPE_CHECKING:
    import socket

    from deploy.sandbox.providers.provider import Provider
    from deploy.sandbox.stripe.webhooks import Endpoint

# Seconds that requests in progress are given at the end; the hanging ones would take for ever.
_GRACE: Final = 0.05


@dataclass(frozen=True)
class Ports:
    """The three ports; 0 takes a free one."""

    sites: int = 0
    providers: int = 0
    inbox: int = 0


class Sandbox:
    """The stand-ins; ``async with`` starts and stops them.

    Args:
        ports: where to listen.
        any_form: let every site have a form of whatever number it is asked for.
        stripe_endpoint: where Stripe's events go; without it they wait until they are taken.

    Raises:
        PortTaken: on entry, when a port cannot be had.
    """

    def __init__(
        self,
        ports: Ports,
        *,
        any_form: bool = False,
        stripe_endpoint: Endpoint | None = None,
    ) -> None:
        self.ports = ports
        self._world: asyncio.Task[None] | None = None
        self.sites = {code: Site(about, any_form=any_form) for code, (_, about) in stand_ins().items()}
        self.outbox = Outbox()
        self.telegram = Telegram(self.outbox)
        self.smtp = Smtp(self.outbox)
        self.sendgrid, self.twilio = SendGrid(self.outbox), Twilio(self.outbox)
        self.twilio_calls = TwilioCalls(self.outbox)
        self.push = PushService(self.outbox)
        texts = (self.twilio, self.twilio_calls)
        self.receipt_senders = {each.provider_name: each.receipts for each in (self.sendgrid, *texts)}
        self.stripe = Stripe(stripe_endpoint)
        self.sentry = Sentry()
        known = (self.sendgrid, self.smtp, *texts, self.telegram, self.push, self.stripe, self.sentry)
        self.providers: dict[str, Provider] = {each.provider_name: each for each in known}
        self._runners: list[web.AppRunner] = []
        self._listeners: list[Listener] = []

    async def __aenter__(self) -> Self:
        """Bind every port, then start to answer."""
        sites = listen([each.about.host for each in self.sites.values()], self.ports.sites, "--sites-port")
        hosts = [provider.host for provider in self.providers.values()]
        providers = listen(hosts, self.ports.providers, "--providers-port")
        inbox = listen([addresses.INBOX], self.ports.inbox, "--inbox-port")
        self.ports = Ports(_port(sites), _port(providers), _port(inbox))
        await self._serve(Inbox(self).make_app(), inbox[0])
        for site, made in zip(self.sites.values(), sites, strict=True):
            await self._serve(make_site_app(site), made)
        for provider, made in zip(self.providers.values(), providers, strict=True):
            provider.url = self.provider_url(provider.provider_name)
            if provider is self.smtp:
                provider.listener = await self._listen(self.smtp.make_listener(), made)
            else:
                provider.listener = await self._serve(provider.make_app(), made)
        return self

    def begin_world(self) -> None:
        """Let slots open and go by themselves from now on; repeated, nothing changes."""
        if self._world is None:
            self._world = asyncio.create_task(play(self.sites), name="world")

    async def __aexit__(self, *_: object) -> None:
        """Stop answering and close every connection, also those that hang."""
        if self._world is not None:
            self._world.cancel()
            await asyncio.wait([self._world])
        for listener in self._listeners:
            await listener.close(at_once=True)
        for runner in self._runners:
            await runner.cleanup()

    async def _serve(self, app: web.Application, made: socket.socket) -> Listener:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_GRACE, handler_cancellation=True)
        self._runners.append(runner)
        await runner.setup()
        if (server := runner.server) is None:  # an AppRunner has one since its setup
            raise RuntimeError("aiohttp made no server")
        return await self._listen(
            Listener(server, lambda: [each.transport for each in server.connections]), made
        )

    async def _listen(self, listener: Listener, made: socket.socket) -> Listener:
        self._listeners.append(listener)
        await listener.open(made)
        return listener

    def send_receipts(self, hooks: str, secret: str) -> None:
        """Send receipts to webhooks below this address, with SendGrid signing by a key from the secret."""
        for sender in self.receipt_senders.values():
            sender.hooks, sender.secret = hooks, secret

    def known_site(self, code: str) -> Site:
        """Return the booking site of a code; a Refusal (404) names those that exist."""
        if code not in self.sites:
            raise Refusal(f"no booking site {code!r}", known=self.sites, status=404)
        return self.sites[code]

    async def reset(self) -> None:
        """Bring every stand-in back to its start."""
        for site in self.sites.values():
            site.reset()
        for provider in self.providers.values():
            await provider.reset()

    def site_url(self, code: str) -> str:
        """Return the base URL of the booking site of a code."""
        return addresses.url(self.known_site(code).about.host, self.ports.sites)

    def find_providers(self, name: str) -> list[Provider]:
        """Return the provider of that name, or all of a channel; a Refusal (404) names both."""
        found = [each for each in self.providers.values() if name in (each.provider_name, each.channel)]
        if not found:
            known = [*self.providers, *(each.channel for each in self.providers.values())]
            raise Refusal(f"no provider {name!r}", known=list(dict.fromkeys(known)), status=404)
        return found

    def provider_url(self, name: str) -> str:
        """Return the base URL of a provider."""
        scheme = "smtp" if name == "smtp" else "http"
        return addresses.url(self.providers[name].host, self.ports.providers, scheme)

    def described(self) -> str:
        """Return all addresses as lines for a person to read."""
        lines = ["Booking sites"]
        for code, site in self.sites.items():
            for form in site.about.forms:
                address = f"{self.site_url(code)}{site.platform.page(form)}"
                lines.append(f"  {site.about.name:<18} {address:<48} {form.title}")
        lines.append("Providers")
        for name, provider in self.providers.items():
            lines.append(f"  {type(provider).__name__:<18} {self.provider_url(name)}")
        inbox = addresses.url(addresses.INBOX, self.ports.inbox)
        lines += ["Inbox", f"  {'What was sent':<18} {inbox}/"]
        return "\n".join(lines)


def _port(bound: list[socket.socket]) -> int:
    number: int = bound[0].getsockname()[1]
    return number
