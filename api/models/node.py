"""Orders to nodes: the machines that run spiders (configs/node_report.py)."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base


class DrainedNode(Base):
    """A node that an operator lets take no work, and why. There is a row as long as the order stands."""

    __tablename__ = "drained_nodes"

    name: Mapped[str] = mapped_column(primary_key=True)
    drained_at: Mapped[datetime]
    reason: Mapped[str]
