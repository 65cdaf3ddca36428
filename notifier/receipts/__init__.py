"""Registry of the readers of receipts: each file in this folder is one, found by its provider's name.

They stand apart from `notifier/providers/`, whose files load the providers' SDKs: the API reads receipts and sends
nothing.
"""

from functools import lru_cache

from configs.class_registry import load_folder
from notifier.receipt_base import ReceiptReader


@lru_cache(maxsize=1)
def receipt_readers() -> dict[str, ReceiptReader]:
    """Return all readers by their provider, imported at the first call."""
    return load_folder(__name__, __path__, ReceiptReader)  # type: ignore[type-abstract] # only its subclasses are built
