"""A field of chaos without a stack: the stand-ins are real, what a fault may reach besides is put in by its test."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa

from configs.prefecture import desks
from deploy.chaos.faults import Field
from deploy.chaos.journal import OpeningJournal
from deploy.chaos.sandbox_control import OPENED, SandboxControl
from deploy.local.ports import StackPorts

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

SANDBOX_DESKS = Path(__file__).resolve().parents[2] / "deploy" / "sandbox" / "prefectures"


@pytest.fixture
def outside(sandbox: "Running") -> SandboxControl:
    addresses = (sandbox.site("93"), sandbox.sendgrid, sandbox.inbox)
    sites, providers, inbox = (urlsplit(url).port or 0 for url in addresses)
    return SandboxControl(StackPorts(sites=sites, providers=providers, inbox=inbox), OpeningJournal())


@pytest.fixture
def field(
    outside: SandboxControl, database: str, settings_env: Callable[..., None], tmp_path: Path
) -> Iterator[Field]:
    settings_env(PREFECTURES_DIR=SANDBOX_DESKS)
    anything: Any = SimpleNamespace()
    engine = sa.create_engine(database, poolclass=sa.NullPool)
    yield Field(
        stack=SimpleNamespace(state=tmp_path),  # type: ignore[arg-type]
        outside=outside,
        inbox=anything,
        victims=anything,
        restarter=anything,
        journal=outside._journal,
        desks=tuple(desk for desk in desks().values() if desk.platform == OPENED),
        engine=engine,
        world=anything,
        store=anything,
        shop=anything,
        redis_snapshot=tmp_path / "older-redis",
        rng=random.Random(1),
    )
    engine.dispose()
