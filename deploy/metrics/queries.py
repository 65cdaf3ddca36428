"""All reads of the exporter: which source each asks, and how long its answer is kept."""

from functools import partial

from redis import Redis

from api.health.metric_reads.check_reads import CheckMetrics, DeskMetrics
from api.health.metric_reads.database import MetricDatabase
from api.health.metric_reads.health_reads import read_health
from api.health.metric_reads.message_reads import LetterMetrics, MessageMetrics
from api.health.metric_reads.record_reads import AnswerMetrics, JobMetrics, PaymentMetrics, RecordMetrics
from api.health.metric_reads.server_reads import PostgresMetrics, QueueMetrics, RedisMetrics, SizeMetrics
from configs.settings import settings
from deploy.metrics.query import Query
from deploy.metrics.request_counts import read_requests

DATABASE, REDIS, API, FILES = "database", "redis", "api", "files"
# Threads of each source; each of the database's has a connection (configs/database.py).
THREADS = {DATABASE: 2, REDIS: 1, API: 1, FILES: 1}
_MINUTE, _TEN_MINUTES = 59.0, 599.0


def list_queries(database: MetricDatabase, client: Redis) -> list[Query]:
    """Return the reads, each at its beginning."""
    queries = [
        Query("checks", DATABASE, CheckMetrics(database).read_samples),
        Query("messages", DATABASE, MessageMetrics(database).read_samples),
        Query("desks", DATABASE, DeskMetrics(database).read_samples),
        Query("letters", DATABASE, LetterMetrics(database).read_samples),
        Query("answers", DATABASE, AnswerMetrics(database).read_samples),
        Query("jobs", DATABASE, JobMetrics(database).read_samples),
        Query("records", DATABASE, RecordMetrics(database).read_samples),
        Query("postgres", DATABASE, PostgresMetrics(database).read_samples),
        Query("payments", DATABASE, PaymentMetrics(database).read_samples, _MINUTE),
        Query("size", DATABASE, SizeMetrics(database).read_samples, _MINUTE),
        Query("redis", REDIS, RedisMetrics(client).read_samples),
        Query("queues", REDIS, QueueMetrics(client).read_samples),
        Query("health", API, read_health),
        Query("requests", FILES, read_requests),
    ]
    if path := settings().certificate_file:
        from deploy.metrics.certificate_file import read_certificate  # noqa: PLC0415 -- takes memory

        queries.append(Query("certificate", FILES, partial(read_certificate, path), _TEN_MINUTES))
    return queries
