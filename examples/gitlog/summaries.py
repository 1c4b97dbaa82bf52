"""`Summary`: a repository at a glance, from its read models."""

from dataclasses import dataclass

from gitlog.errors import NoSuchMoment
from gitlog.models import Churn, Contributor, Month, Overview
from whence import App


@dataclass(frozen=True, slots=True)
class Summary:
    """What a repository is made of, and by whom."""

    overview: Overview
    authors: int
    contributors: list[Contributor]
    """Those with the most commits."""
    most_changed: list[Churn]
    """The paths that were changed most often."""
    busiest: list[Month]
    """The months with the most commits."""


async def summary(app: App, repository_id: str, top: int = 5) -> Summary:
    """A repository at a glance. Raises `NoSuchMoment` if nothing is recorded of it."""
    overview = await app.read(Overview).get(repository_id)
    if overview is None:
        raise NoSuchMoment(f"no commit of {repository_id} is recorded")
    contributors = app.read(Contributor).where(repository_id=repository_id)
    churn = app.read(Churn).where(repository_id=repository_id)
    months = app.read(Month).where(repository_id=repository_id)
    return Summary(
        overview,
        await contributors.count(),
        await contributors.order_by("-commits", "author").limit(top),
        await churn.order_by("-changes", "path").limit(top),
        await months.order_by("-commits", "month").limit(top),
    )


async def repositories(app: App) -> list[Overview]:
    """All repositories of which anything is recorded."""
    return await app.read(Overview).order_by("repository_id")
