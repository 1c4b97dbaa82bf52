"""Dynamic product price: what was shown to the customer counts for some minutes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

import pytest

from whence import App, DecisionModel, Rejected, Tag, command, event, evolve
from whence.testing import given

from .words import NOW, ago

app = App("prices", store="memory://")

ProductId = Annotated[str, Tag("product")]
GRACE = timedelta(minutes=10)


@event
class ProductDefined:
    product_id: ProductId
    price: int
    at: datetime


@event
class ProductPriceChanged:
    product_id: ProductId
    new_price: int
    at: datetime


@dataclass(frozen=True)
class Line:
    product_id: ProductId
    price: int


@event
class ProductsOrdered:
    product_ids: Annotated[list[str], Tag("product")]
    lines: list[Line]


@command
class OrderProducts:
    lines: list[Line]
    at: datetime = NOW

    @property
    def product_ids(self) -> list[str]:
        return [line.product_id for line in self.lines]


class Prices(DecisionModel):
    """Of some products: since when each costs how much."""

    product_ids: Annotated[list[str], Tag("product")]
    known: dict[str, list[tuple[datetime, int]]] = {}

    @evolve
    def _(self, event: ProductDefined) -> None:
        self.known.setdefault(event.product_id, []).append((event.at, event.price))

    @evolve
    def _(self, event: ProductPriceChanged) -> None:
        self.known.setdefault(event.product_id, []).append((event.at, event.new_price))

    def valid(self, product_id: str, at: datetime) -> set[int]:
        """The last one that is older than the time of grace, and all that came since."""
        prices = self.known.get(product_id, [])
        old = [price for since, price in prices if at - since > GRACE]
        return {*old[-1:], *(price for since, price in prices if at - since <= GRACE)}


@app.decides
def order(command: OrderProducts, prices: Prices) -> Iterator[object]:
    for line in command.lines:
        if line.price not in prices.valid(line.product_id, command.at):
            raise Rejected(f'invalid price for product "{line.product_id}"')
    yield ProductsOrdered(command.product_ids, command.lines)


@pytest.mark.parametrize(
    ("history", "price", "valid"),
    [
        ([ProductDefined("p1", 123, NOW)], 100, False),
        ([ProductDefined("p1", 123, NOW)], 123, True),
        ([ProductDefined("p1", 123, ago(minutes=20))], 100, False),
        ([ProductDefined("p1", 123, ago(minutes=20))], 123, True),
        (
            [
                ProductDefined("p1", 123, ago(minutes=20)),
                ProductPriceChanged("p1", 134, ago(minutes=20)),
            ],
            123,
            False,
        ),
        (
            [
                ProductDefined("p1", 123, ago(minutes=20)),
                ProductPriceChanged("p1", 134, ago(minutes=9)),
            ],
            123,
            True,
        ),
        (
            [
                ProductDefined("p1", 123, ago(minutes=20)),
                ProductPriceChanged("p1", 134, ago(minutes=9)),
            ],
            134,
            True,
        ),
        ([ProductDefined("p2", 123, ago(minutes=20))], 123, False),
    ],
)
def test_a_price_is_valid_for_ten_minutes_after_it_changed(
    history: list[object], price: int, valid: bool
) -> None:
    lines = [Line("p1", price)]
    outcome = given(order, *history).when(OrderProducts(lines))
    if valid:
        outcome.then(ProductsOrdered(["p1"], lines))
    else:
        outcome.then_rejected('invalid price for product "p1"')


several = given(
    order,
    ProductDefined("p1", 123, ago(minutes=20)),
    ProductPriceChanged("p1", 134, ago(minutes=9)),
    ProductDefined("p2", 321, ago(minutes=8)),
)


def test_several_products_are_one_boundary() -> None:
    lines = [Line("p1", 123), Line("p2", 321)]
    several.when(OrderProducts(lines)).then(ProductsOrdered(["p1", "p2"], lines))
    wrong = [Line("p1", 123), Line("p2", 123)]
    several.when(OrderProducts(wrong)).then_rejected('invalid price for product "p2"')


def test_an_empty_cart_has_an_empty_boundary() -> None:
    several.when(OrderProducts([])).then(ProductsOrdered([], []))
