"""All records, found by their folder; Alembic compares the database with them."""

from importlib import import_module
from pkgutil import iter_modules

import api.models
from api.models.base import Base

for _module in iter_modules(api.models.__path__, "api.models."):
    import_module(_module.name)
RECORDS: tuple[type[Base], ...] = tuple(
    sorted((each.class_ for each in Base.registry.mappers), key=lambda each: each.__name__)
)
