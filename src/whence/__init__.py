"""Commands in, events kept, answers out: CQRS and event sourcing for Python.

The modules, in the order in which the data flows through them:

    messages → bus, pipeline → repository → aggregate, decider, decisions → store → subscriptions
    → projections → readmodels → queries

What a domain module needs is here; everything else is in the module that is named after it.
Start with the tutorial in the documentation.
"""

from whence.aggregate import Aggregate
from whence.app import App
from whence.columns import Index
from whence.decider import Decider
from whence.decisions import DecisionModel
from whence.errors import Behind, Conflict, Forbidden, Invalid, Rejected, Stale, WhenceError
from whence.handlers import decide, evolve, project
from whence.messages import Tag, command, event, query
from whence.projections import Projection
from whence.readmodels import ReadModel
from whence.sending import Receipt

__all__ = [
    "Aggregate",
    "App",
    "Behind",
    "Conflict",
    "Decider",
    "DecisionModel",
    "Forbidden",
    "Index",
    "Invalid",
    "Projection",
    "ReadModel",
    "Receipt",
    "Rejected",
    "Stale",
    "Tag",
    "WhenceError",
    "command",
    "decide",
    "event",
    "evolve",
    "project",
    "query",
]
