"""What gunicorn does besides its options: `gunicorn --config python:configs.gunicorn_hooks`."""

import gc


def when_ready(_server: object) -> None:
    """Leave out what is loaded from collections, before the workers fork: a full one takes longer than many requests.

    It would also copy the memory that they share: https://docs.python.org/3/library/gc.html#gc.freeze
    """
    gc.collect()
    gc.freeze()
