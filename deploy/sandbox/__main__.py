"""``python -m deploy.sandbox``: starts the stand-ins alone, prints their addresses, lives until a signal."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys

from deploy.sandbox import addresses
from deploy.sandbox.listener import PortTaken
from deploy.sandbox.server import Ports, Sandbox
from deploy.sandbox.stripe.webhooks import Endpoint


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.sandbox", description="Start the stand-ins alone."
    )
    for name, port, what in (
        ("--sites-port", addresses.SITES_PORT, "port of the booking sites"),
        ("--providers-port", addresses.PROVIDERS_PORT, "port of the providers"),
        ("--inbox-port", addresses.INBOX_PORT, "port of the inbox page"),
    ):
        parser.add_argument(
            name, type=int, default=port, metavar="PORT", help=f"{what} (default {port}, 0: any)"
        )
    parser.add_argument(
        "--any-form",
        action="store_true",
        help="have a form of whatever number is asked for: real desk files name real numbers (see SANDBOX_HOSTS)",
    )
    parser.add_argument(
        "--stripe-webhook",
        metavar="URL",
        help="where Stripe's events go, signed with each secret of STRIPE_WEBHOOK_SECRET",
    )
    parser.add_argument(
        "--receipts",
        metavar="URL",
        help="the webhooks below which SendGrid and Twilio send receipts, as http://127.0.0.1:4000/api/hooks; "
        "SendGrid's key is made of SENDGRID_RECEIPT_SECRET",
    )
    return parser.parse_args(given)


async def _live(arguments: argparse.Namespace) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    ports = Ports(arguments.sites_port, arguments.providers_port, arguments.inbox_port)
    secrets = [each for each in os.environ.get("STRIPE_WEBHOOK_SECRET", "").split(",") if each]
    endpoint = Endpoint(arguments.stripe_webhook or "", secrets) if secrets else None
    sandbox = Sandbox(ports, any_form=arguments.any_form, stripe_endpoint=endpoint)
    if arguments.receipts:
        sandbox.send_receipts(arguments.receipts, os.environ.get("SENDGRID_RECEIPT_SECRET", ""))
    async with sandbox:
        print(sandbox.described(), flush=True)
        await ended.wait()


def main(given: list[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM; return 0, or 2 when a port cannot be had."""
    try:
        asyncio.run(_live(_arguments(given)))
    except PortTaken as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
