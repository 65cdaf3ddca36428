"""Accounts for tests of pages: with a password, signed in by the form, with a browser for push messages."""

from uuid import UUID

from api.accounts.passwords import hash_password
from api.models.base import session
from api.models.user import Channel, Contact, User
from configs.clock import clock
from configs.push_subscriptions import PushSubscription
from tests.api.pages.browser import Browser
from tests.api.world import PASSWORD
from tests.browser_keys import subscribe

EMAIL = "camille@example.org"


def create_account(email: str = EMAIL, language: str = "fr", *, confirmed: bool = True) -> User:
    """Write an account with PASSWORD."""
    with session() as s:
        user = User(email=email, password_hash=hash_password(PASSWORD), language=language)
        s.add(user)
        s.flush()
        verified_at = clock() if confirmed else None
        s.add(
            Contact(
                user_id=user.id, channel=Channel.EMAIL, address=email, enabled=True, verified_at=verified_at
            )
        )
    return user


def build_device(user_id: UUID, name: str) -> Contact:
    """Return a user's browser for push messages, the first one, with a drawn subscription; the caller stores it."""
    drawn = subscribe()
    address = PushSubscription(drawn["endpoint"], **drawn["keys"]).as_address()
    return Contact(
        user_id=user_id, channel=Channel.PUSH, address=address, device_name=name, enabled=True, verified_at=clock()
    )  # fmt: skip


def sign_in(browser: Browser, email: str = EMAIL) -> Browser:
    """Sign in by the form, and follow to the page after it."""
    browser.get("/login")
    browser.send("/login", email=email, password=PASSWORD)
    browser.follow()
    return browser


def forget_access(browser: Browser) -> None:
    """Take the access cookie away, as the browser does when it is too old."""
    browser.client.delete_cookie("__Host-access")
