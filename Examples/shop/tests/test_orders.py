"""What the shop answers, without a network."""

import json
import os
import tempfile
import unittest

from shop import app


def post(shop, **order):
    response = shop.handle("POST", "/orders", json.dumps(order).encode())
    return response.status, json.loads(response.body)


class OrderTests(unittest.TestCase):
    def setUp(self):
        self.shop = app.Shop("test")

    def test_an_order_costs_price_times_quantity(self):
        self.assertEqual(app.total("tea", 1), 690)
        self.assertEqual(app.total("cup", 3), 4350)

    def test_an_order_is_accepted_and_echoed(self):
        status, answer = post(self.shop, id="a", product="cup", quantity=2)
        self.assertEqual(status, 201)
        self.assertEqual(answer, {"id": "a", "status": "accepted", "total": 2900})

    def test_a_repeated_order_is_a_duplicate(self):
        post(self.shop, id="a")
        self.assertEqual(post(self.shop, id="a")[1]["status"], "duplicate")
        self.assertEqual(len(self.shop.orders), 1)

    def test_a_bad_order_is_refused(self):
        for order in (
            {},
            {"id": ""},
            {"id": 7},
            {"id": "a", "product": "car"},
            {"id": "a", "quantity": 0},
            {"id": "a", "quantity": True},
        ):
            with self.subTest(order=order):
                self.assertEqual(post(self.shop, **order)[0], 400)
        self.assertEqual(self.shop.handle("POST", "/orders", b"no json").status, 400)
        self.assertEqual(self.shop.orders, {})

    def test_the_ledger_has_each_order_once(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "ledger")
            shop = app.Shop("test", ledger=path)
            self.addCleanup(os.close, shop.ledger)
            post(shop, id="a")
            post(shop, id="b")
            with open(path, encoding="utf-8") as ledger:
                self.assertEqual(ledger.read(), '"a"\n"b"\n')


class PageTests(unittest.TestCase):
    def setUp(self):
        self.shop = app.Shop("42")

    def test_the_page_shows_its_version(self):
        response = self.shop.handle("GET", "/", b"")
        self.assertEqual(response.status, 200)
        self.assertIn(b"Version 42", response.body)

    def test_products_are_listed(self):
        response = self.shop.handle("GET", "/products?sort=price", b"")
        self.assertEqual(set(json.loads(response.body)), {"tea", "cup", "pot"})

    def test_a_shop_that_can_serve_is_up(self):
        self.assertEqual(self.shop.handle("GET", "/up", b"").status, 200)

    def test_what_is_not_there_is_not_found(self):
        self.assertEqual(self.shop.handle("GET", "/nowhere", b"").status, 404)
        self.assertEqual(self.shop.handle("DELETE", "/orders", b"").status, 405)


if __name__ == "__main__":
    unittest.main()
