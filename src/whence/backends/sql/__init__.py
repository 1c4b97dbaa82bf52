"""Read models and projections in any database that SQLAlchemy speaks."""

from whence.backends.sql.auditing import RowAudit
from whence.backends.sql.database import ReadDatabase
from whence.backends.sql.models import SqlReadModel
from whence.backends.sql.projections import SqlProjection

__all__ = ["ReadDatabase", "RowAudit", "SqlProjection", "SqlReadModel"]
