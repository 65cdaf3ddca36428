"""Counters that the running servers of the API keep in files: all of them added up."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from api.health.metric_reads.sample import Sample
from configs.metric_files import list_folders, reading
from deploy.metrics.catalogue import PREFIX, list_labels

_merge: Any = MultiProcessCollector.merge  # has no types
_CREATED = "_created"  # samples that say when a counter began, which Prometheus asks for nowhere


def read_requests() -> list[Sample]:
    """Read the files; a folder whose server ended meanwhile is left out.

    Raises:
        OSError: a file cannot be read.
    """
    with ExitStack() as opened:
        files: list[str] = []
        for folder in list_folders():
            with suppress(FileNotFoundError):
                files += [str(file) for file in opened.enter_context(reading(folder))]
        return [sample for metric in _merge(files) for sample in _convert(metric)]


def _convert(metric: Metric) -> Iterator[Sample]:
    for sample in metric.samples:
        name = sample.name.removeprefix(PREFIX)
        if not name.endswith(_CREATED):
            yield Sample(name, sample.value, tuple(sample.labels[label] for label in list_labels(name)))
