"""Replaces a browser's push service, which needs its maker's server, by a subscription that the test made."""

import json
from typing import Any

from playwright.sync_api import BrowserContext

# A subscription outlives the page, as a browser's does, and is known to this browser alone.
_SCRIPT = """(given) => {
  const KEY = "replaced-push-subscription";
  const build = (kept) => kept && {
    endpoint: kept.endpoint,
    options: { userVisibleOnly: true, applicationServerKey: Uint8Array.from(kept.ownKey).buffer },
    toJSON: () => ({ endpoint: kept.endpoint, keys: kept.keys }),
    unsubscribe: async () => { localStorage.removeItem(KEY); return true; },
  };
  PushManager.prototype.getSubscription = async () => build(JSON.parse(localStorage.getItem(KEY)));
  PushManager.prototype.subscribe = async ({ userVisibleOnly, applicationServerKey }) => {
    if (!userVisibleOnly || applicationServerKey.length !== 65) throw new TypeError("refused as Chromium does");
    const made = { ...given, ownKey: [...applicationServerKey] };
    localStorage.setItem(KEY, JSON.stringify(made));
    return build(made);
  };
}"""


def replace_push(context: BrowserContext, subscription: dict[str, Any]) -> None:
    """Have `PushManager.subscribe` of all pages return this: what `PushSubscription.toJSON()` has."""
    context.add_init_script(f"({_SCRIPT})({json.dumps(subscription)})")
