"""Faults in what readers find, page by page."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import ClassVar

from whence.envelope import NewEvent
from whence.store import ALL, Commit, EventQuery, Item, Page
from whence.testing.conformance import HostileInput, OpenStore, Paging, Selecting, Suite
from whence.testing.faults.faulty import Faulty, changed

# Queries


class AnyTag(Faulty):
    """Takes one of the tags of an item for all of them."""

    caught_by: ClassVar[type[Suite]] = Selecting

    def query(self, query: EventQuery) -> EventQuery:
        items = [
            replace(item, tags=frozenset(tags))
            for item in query.items
            for tags in ([[tag] for tag in item.tags] or [[]])
        ]
        return EventQuery(tuple(items)) if items else query


class FirstItem(Faulty):
    """Asks for the first item of a query only."""

    caught_by: ClassVar[type[Suite]] = Selecting

    def query(self, query: EventQuery) -> EventQuery:
        return EventQuery(query.items[:1]) if query.items else query


class ForgetsTypes(Faulty):
    """Finds all that has the tags, of whatever type."""

    caught_by: ClassVar[type[Suite]] = Selecting

    def query(self, query: EventQuery) -> EventQuery:
        items = [
            Item(frozenset(), i.tags, i.stream, i.commit_id) if i.tags else i for i in query.items
        ]
        return EventQuery(tuple(items)) if items else query


class RepeatsMatches(Faulty):
    """Delivers an event once for each item that it matches."""

    caught_by: ClassVar[type[Suite]] = Selecting

    def __init__(self, open_store: OpenStore) -> None:
        super().__init__(open_store)
        self._asked = ALL

    def query(self, query: EventQuery) -> EventQuery:
        self._asked = query
        return query

    async def page(self, page: Page, backwards: bool) -> Page:
        events = [
            event
            for event in page.events
            for item in (self._asked.items or (None,))
            if item is None or item.matches(event)
        ]
        return Page(events, page.scanned)


class IgnoresCase(Faulty):
    """Takes streams for the same that differ in capitals only."""

    caught_by: ClassVar[type[Suite]] = Selecting

    def commit(self, commit: Commit) -> Commit:
        events = [
            NewEvent(e.type, e.data, e.stream.lower(), e.tags, e.metadata, e.micros)
            for e in commit.events
        ]
        return changed(commit, events=events)

    def query(self, query: EventQuery) -> EventQuery:
        items = [replace(i, stream=i.stream.lower()) if i.stream else i for i in query.items]
        return EventQuery(tuple(items)) if items else query


# Pages


class ClaimsTheEnd(Faulty):
    """Every page claims that all there is was scanned."""

    caught_by: ClassVar[type[Suite]] = Paging

    async def page(self, page: Page, backwards: bool) -> Page:
        return Page(page.events, 1 if backwards else await self._right.head())


class ClaimsOneMore(Faulty):
    """Every page claims one position more than was scanned."""

    caught_by: ClassVar[type[Suite]] = Paging

    async def page(self, page: Page, backwards: bool) -> Page:
        return Page(page.events, max(page.scanned - 1, 1) if backwards else page.scanned + 1)


class ClaimsOnlyMatches(Faulty):
    """A page never claims more than its last event, so a checkpoint never gets to the end."""

    caught_by: ClassVar[type[Suite]] = Paging

    async def page(self, page: Page, backwards: bool) -> Page:
        return Page(page.events, page.events[-1].position if page.events else 0)


class _Reads(Faulty):
    caught_by: ClassVar[type[Suite]] = Paging

    async def read(
        self,
        query: EventQuery,
        *,
        after: int = 0,
        backwards: bool = False,
        limit: int | None = None,
    ) -> AsyncIterator[Page]:
        after, backwards, asked = self.where(after, backwards), self.direction(backwards), limit
        async for page in self._right.read(
            query, after=after, backwards=backwards, limit=self.most(limit)
        ):
            yield Page(page.events[:asked], page.scanned)

    def where(self, after: int, backwards: bool) -> int:
        return after

    def direction(self, backwards: bool) -> bool:
        return backwards

    def most(self, limit: int | None) -> int | None:
        return limit


class TakesAnyNumber(_Reads):
    """Reads from the beginning if asked for what comes after no position at all."""

    caught_by: ClassVar[type[Suite]] = HostileInput

    def where(self, after: int, backwards: bool) -> int:
        return max(after, 0)


class StartsOneEarly(_Reads):
    """Delivers the event at the position after which it was asked."""

    def where(self, after: int, backwards: bool) -> int:
        return after if backwards else max(after - 1, 0)


class StartsOneLateBackwards(_Reads):
    """Backwards, delivers the event at the position before which it was asked."""

    def where(self, after: int, backwards: bool) -> int:
        return after + 1 if backwards and after else after


class NeverGoesBackwards(_Reads):
    """Reads forwards, whatever it is asked."""

    def direction(self, backwards: bool) -> bool:
        return False


class LimitsEachPage(_Reads):
    """Takes the limit of a read for the limit of a page."""

    def most(self, limit: int | None) -> int | None:
        return None


class StopsAtTheOldEnd(_Reads):
    """Reads to where the log ended when the reading began."""

    async def read(
        self,
        query: EventQuery,
        *,
        after: int = 0,
        backwards: bool = False,
        limit: int | None = None,
    ) -> AsyncIterator[Page]:
        end = max(await self._right.head(), after)
        async for page in super().read(query, after=after, backwards=backwards, limit=limit):
            yield Page([e for e in page.events if e.position <= end], min(page.scanned, end))


class ReversesPages(Faulty):
    """Each page is in the right place and upside down."""

    caught_by: ClassVar[type[Suite]] = Paging

    async def page(self, page: Page, backwards: bool) -> Page:
        return Page(page.events[::-1], page.scanned)
