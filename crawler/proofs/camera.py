"""The browser that takes pictures: there while it is needed, replaced where it fails."""

import gzip
import logging
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from configs.proofs import BODY, META, PICTURE, Meta
from crawler.proofs.spool import SpoolEntry

if TYPE_CHECKING:
    from playwright.sync_api import Browser

log = logging.getLogger(__name__)

_RENEWED_AFTER = 50  # pictures by one browser


class Camera:
    """A browser that starts with the first picture; another one follows where it failed or has served long enough."""

    def __init__(self) -> None:
        self._browser: Browser | None = None
        self._held = ExitStack()
        self._taken = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._put_away()

    def take(self, entry: SpoolEntry) -> bool:
        """Put a picture of an entry's page beside it; tell whether the browser did not fail."""
        from crawler.proofs import screenshots  # noqa: PLC0415 -- Playwright is heavy, and most machines have no browser

        try:
            meta = Meta.model_validate_json((entry.folder / META).read_bytes())
            body = gzip.decompress((entry.folder / BODY).read_bytes())
            if not self._browser or not self._browser.is_connected() or self._taken >= _RENEWED_AFTER:
                self._put_away()
                self._browser = self._held.enter_context(screenshots.browsing())
            self._taken += 1
            entry.write(PICTURE, screenshots.picture(self._browser, meta, body))
        except (screenshots.NoPicture, OSError, EOFError, ValueError) as error:
            log.info("no picture of %s this time: %s", entry.key, error)
            self._put_away()
            return False
        return True

    def _put_away(self) -> None:
        self._browser, self._taken = None, 0
        self._held.close()
