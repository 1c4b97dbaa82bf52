"""`Projection`: the general form of a read model, for any database that SQLAlchemy speaks."""


class Projection:
    """Handlers that write to a database."""
