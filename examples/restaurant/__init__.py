"""A restaurant, from the door to the door: eight steps of an evening. `README.md` tells them."""

from restaurant.boards import KitchenQueue, TableBoard
from restaurant.kitchen import Order
from restaurant.money import Bills, Takings
from restaurant.table import Table
from whence import App

app = App("restaurant", Table, Order, TableBoard, KitchenQueue, Bills, Takings)
