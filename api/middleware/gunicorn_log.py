"""gunicorn's own log among ours: in LOG_FORMAT, masked, its errors reported."""

from gunicorn.config import Config
from gunicorn.glogging import Logger


class ProgramLogger(Logger):  # type: ignore[misc] # gunicorn has no types
    """Passes gunicorn's lines on to the handlers of `set_up_logs`, which the app calls when it is loaded."""

    def setup(self, cfg: Config) -> None:
        """Set the levels, and no handler."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
