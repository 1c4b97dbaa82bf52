"""Invoice numbers without a gap, and orders that are not placed twice."""

from collections.abc import Iterator
from typing import Annotated

from whence import App, DecisionModel, Receipt, Rejected, Tag, command, event, evolve
from whence.testing import given

app = App("orders", store="memory://")


@event
class InvoiceCreated:
    invoice_number: Annotated[int, Tag("invoice")]
    data: str


@command
class CreateInvoice:
    data: str


class LastInvoice(DecisionModel):
    number = 0

    @evolve
    def _(self, event: InvoiceCreated) -> None:
        self.number = event.invoice_number


@app.decides
def create_invoice(command: CreateInvoice, last: LastInvoice) -> Iterator[object]:
    yield InvoiceCreated(last.number + 1, command.data)


def test_invoices_are_numbered_without_a_gap() -> None:
    given(create_invoice).when(CreateInvoice("a")).then(InvoiceCreated(1, "a"))
    given(create_invoice, InvoiceCreated(1, "a")).when(CreateInvoice("b")).then(
        InvoiceCreated(2, "b")
    )


@event
class OrderPlaced:
    order_id: Annotated[str, Tag("order")]
    idempotency_token: Annotated[str, Tag("idempotency")]


@command
class PlaceOrder:
    order_id: str
    idempotency_token: str


class Token(DecisionModel):
    idempotency_token: Annotated[str, Tag("idempotency")]
    used = False

    @evolve
    def _(self, event: OrderPlaced) -> None:
        self.used = True


@app.decides
def place_order(command: PlaceOrder, token: Token) -> Iterator[object]:
    if token.used:
        raise Rejected("Re-submission")
    yield OrderPlaced(command.order_id, command.idempotency_token)


def test_an_order_is_not_placed_twice() -> None:
    placed = given(place_order, OrderPlaced("o12345", "11111"))
    placed.when(PlaceOrder("o54321", "11111")).then_rejected("Re-submission")
    placed.when(PlaceOrder("o54321", "22222")).then(OrderPlaced("o54321", "22222"))


async def test_better_than_an_error_is_the_first_answer() -> None:
    async with app.using(store="memory://") as shop:
        first = await shop.send(PlaceOrder("o12345", "11111"), id="11111")
        again = await shop.send(PlaceOrder("o12345", "11111"), id="11111")
    assert again == Receipt(first.position, first.versions, first.events, duplicate=True)
