"""The command `flask push-keys`, which draws the pair of keys of web push."""

import click

from configs.settings.push_keys import draw_keys


@click.command("push-keys")
def push_keys_command() -> None:
    """Draw a new pair of keys for web push, as lines of an environment file. Nothing is changed."""
    private_key, public_key = draw_keys()
    click.echo(f"VAPID_PRIVATE_KEY={private_key}\nVAPID_PUBLIC_KEY={public_key}")
