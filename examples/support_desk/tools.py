"""What the support desk can look up and do; `setup` makes the shop that it works on.

The declarations lie next to the functions: reads in lookups.py, effects in effects.py.
"""

from __future__ import annotations

from pathlib import Path

from . import store  # noqa: TID252
from .effects import (  # noqa: TID252
    cancel_order,
    change_address,
    issue_store_credit,
    refund_payment,
    replace_item,
)
from .lookups import (  # noqa: TID252
    find_customer,
    find_item,
    get_order,
    get_payments,
    get_store_credit,
    list_orders,
    quote_return,
    shipment_history,
    track_shipment,
)

__all__ = [
    "cancel_order",
    "change_address",
    "find_customer",
    "find_item",
    "get_order",
    "get_payments",
    "get_store_credit",
    "issue_store_credit",
    "list_orders",
    "quote_return",
    "refund_payment",
    "replace_item",
    "setup",
    "shipment_history",
    "track_shipment",
]


def setup(data_dir: Path) -> None:
    """Make the shop's books as they stand on the sample's day; what is there already stays."""
    store.create(data_dir)
