"""Samples as the text that Prometheus reads."""

from collections.abc import Iterable, Iterator

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from api.health.metric_reads.sample import Sample
from deploy.metrics.catalogue import PREFIX, clean_label, find_definition, list_labels

log = structlog.get_logger(__name__)


class SampleCollector(Collector):
    """Metrics of these samples. Labels are cleaned, and a metric has no more series than its definition allows."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._samples = list(samples)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics, in the order of their first samples."""
        found: dict[str, Metric] = {}
        for name, value, values in self._samples:
            definition = find_definition(name)
            metric = found.get(definition.name)
            if metric is None:
                base = PREFIX + definition.name
                metric = Metric(
                    base.removesuffix("_total") if definition.kind == "counter" else base,
                    definition.meaning,
                    definition.kind,
                )
                found[definition.name] = metric
            if len(metric.samples) < definition.most:
                labels = dict(zip(list_labels(name), map(clean_label, values), strict=True))
                metric.add_sample(PREFIX + name, labels, float(value))
            elif len(metric.samples) == definition.most:
                log.warning("a metric has too many series: the rest is left out", metric=definition.name)
        yield from found.values()


def write_text(samples: Iterable[Sample]) -> bytes:
    """Return the answer to a scrape."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(SampleCollector(samples))
    return generate_latest(registry)
