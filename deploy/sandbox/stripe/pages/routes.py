"""Adds the pages to the application; each is a form that works without JavaScript."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.sandbox.stripe.pages import checkout, dashboard, invoice, portal, three_d_secure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

    from deploy.sandbox.request_body import Handler
    from deploy.sandbox.stripe.stand_in import Stripe


def add_page_routes(app: web.Application, stand_in: Stripe) -> None:
    """Add every page."""

    def bind_page(page: Callable[[Stripe, web.Request], Awaitable[web.Response]]) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            stand_in.account.clock.run_due()
            answer = await page(stand_in, request)
            stand_in.account.clock.run_due()
            return answer

        return handle

    for path, show, submit in (
        ("/c/pay/{id}", checkout.show_checkout, checkout.submit_checkout),
        ("/3ds/{id}", three_d_secure.show_step, three_d_secure.submit_step),
        ("/p/session/{id}", portal.show_portal, portal.submit_portal),
        ("/i/{id}", invoice.show_invoice, invoice.submit_invoice),
    ):
        app.router.add_get(path, bind_page(show))
        app.router.add_post(path, bind_page(submit))
    app.router.add_get("/", bind_page(dashboard.show_dashboard))
    app.router.add_post("/act/{control:.+}", bind_page(dashboard.act))
