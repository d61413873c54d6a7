"""What the shop sells, and what happens to an order."""

import json
import os

from .http_server import Response

PRODUCTS = {
    "tea": {"name": "Green tea, 100 g", "price": 690},
    "cup": {"name": "Porcelain cup", "price": 1450},
    "pot": {"name": "Iron teapot", "price": 5900},
}


def total(product, quantity):
    """The price of an order, in cents."""
    return PRODUCTS[product]["price"] * quantity


def ready():
    """Whether this instance can serve customers: `/up` says so to whoever routes requests here."""
    return True


class Shop:
    """Answers requests. Orders live in memory, and in a ledger file if one is given."""

    def __init__(self, version, ledger=None):
        self.orders = {}
        # Lines shorter than a page are appended whole, whoever else writes to the file.
        self.ledger = (
            os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) if ledger else None
        )
        self.page = Response(200, render_page(version), "text/html; charset=utf-8")
        self.products = Response(200, json.dumps(PRODUCTS).encode())

    def handle(self, method, path, body):
        path = path.partition("?")[0]
        if path == "/orders":
            return self.order(body) if method == "POST" else not_allowed("POST")
        known = {"/": self.show_page, "/products": self.show_products, "/up": self.show_health}
        if path not in known:
            return Response(404, b'{"error": "no such page"}')
        return known[path]() if method in ("GET", "HEAD") else not_allowed("GET, HEAD")

    def show_page(self):
        return self.page

    def show_products(self):
        return self.products

    def show_health(self):
        if ready():
            return Response(200, b'{"status": "ready"}')
        return Response(503, b'{"status": "not ready"}')

    def order(self, body):
        """Takes an order once: its id is the customer's, so that a repeated one can be told."""
        try:
            wanted = json.loads(body)
            order_id = wanted["id"]
            product = wanted.get("product", "tea")
            quantity = wanted.get("quantity", 1)
        except (ValueError, KeyError, TypeError, AttributeError):
            return Response(400, b'{"error": "an order needs an id"}')
        if not isinstance(order_id, str) or not 0 < len(order_id) <= 100:
            return Response(400, b'{"error": "an id is a text of 1 to 100 characters"}')
        if product not in PRODUCTS:
            return Response(400, b'{"error": "no such product"}')
        if type(quantity) is not int or not 1 <= quantity <= 100:
            return Response(400, b'{"error": "a quantity is 1 to 100"}')
        status = "duplicate" if order_id in self.orders else "accepted"
        if status == "accepted":
            self.orders[order_id] = (product, quantity)
        if self.ledger is not None:
            os.write(self.ledger, json.dumps(order_id).encode() + b"\n")
        answer = {"id": order_id, "status": status, "total": total(product, quantity)}
        return Response(201 if status == "accepted" else 200, json.dumps(answer).encode())


def not_allowed(methods):
    return Response(405, b'{"error": "method not allowed"}', extra=f"Allow: {methods}\r\n")


def render_page(version):
    items = "".join(
        f"<li>{item['name']}: {item['price'] / 100:.2f}</li>" for item in PRODUCTS.values()
    )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Shop</title>"
        f"<h1>Shop</h1><ul>{items}</ul><p>Version {version}</p></html>\n"
    ).encode()
