"""`PORT=8000 python3 -m shop` serves the shop on 127.0.0.1 until SIGTERM."""

import os
import pathlib

from .app import Shop
from .http_server import Server


def main():
    version = (pathlib.Path(__file__).parent.parent / "VERSION").read_text().strip()
    shop = Shop(version, ledger=os.environ.get("SHOP_LEDGER"))
    server = Server(int(os.environ["PORT"]), shop.handle, version)
    server.stop_on_signals()
    print(f"shop {version} listens on 127.0.0.1:{server.port}", flush=True)
    server.serve()
    print(f"shop {version} took {len(shop.orders)} orders and is done", flush=True)


if __name__ == "__main__":
    main()
