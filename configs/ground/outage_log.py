"""Once-per-outage logging: distinguishes the first failure of a run from those that follow."""

import logging


class OutageLog:
    """One server, part or store that may fail again and again; its caller logs where `begin` and `end` say so."""

    def __init__(self) -> None:
        self._text = ""
        self.kind: object = None

    @property
    def is_open(self) -> bool:
        """Whether the last attempt failed."""
        return bool(self._text)

    def begin(self, text: str, kind: object = None) -> bool:
        """Note a failure; tell whether it is to be logged: the first one, or the first of another `kind`."""
        is_new = not self._text or kind != self.kind
        self._text, self.kind = text or "fails", kind
        return is_new

    def end(self) -> str:
        """Note a success; return the last failure's text where an outage ends, else nothing."""
        text, self._text, self.kind = self._text, "", None
        return text

    def tell(self, log: logging.Logger, trouble: str) -> None:
        """Warn of a trouble once, and say when it is over; an empty text is a success."""
        if trouble and self.begin(trouble):
            log.warning("%s", trouble)
        elif not trouble and (before := self.end()):
            log.info("over: %s", before)
