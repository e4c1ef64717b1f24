"""Rules of what goods are worth, as the crate `schemas` checks them, in the same order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hms_a2a._check_parts import unique
from hms_a2a._errors import BadWire
from hms_a2a._limits import PPM

if TYPE_CHECKING:
    from hms_a2a import _wire as wire


def bounds(bounds: wire.Bounds, field: str) -> None:
    """Bounds are in order, and not negative."""
    if bounds.lo < 0:
        raise BadWire(f"{field}.lo", "must not be negative")
    if bounds.lo > bounds.hi:
        raise BadWire(field, f"lo {bounds.lo} exceeds hi {bounds.hi}")


def margin(margin_ppm: int, field: str) -> None:
    """A margin is within its limits."""
    if not 0 <= margin_ppm <= 1000 * PPM:
        raise BadWire(field, "a margin is 0 to 1000000000 ppm")


def outlook(outlook: wire.Outlook, field: str) -> None:
    """Rates, chances and weights are within theirs."""
    if outlook.rate is not None and outlook.rate < 0:
        raise BadWire(f"{field}.rate", "must not be negative")
    for name, value in (("risk_aversion", outlook.risk_aversion), ("arrival", outlook.arrival)):
        if value is not None and not 0 <= value <= 1:
            raise BadWire(f"{field}.{name}", "must be from 0 to 1")
    if outlook.weights is not None:
        w = outlook.weights
        parts = (w.economic_ppm, w.social_ppm, w.environmental_ppm, w.security_ppm)
        if sum(parts) != PPM or not all(0 <= part <= PPM for part in parts):
            raise BadWire(f"{field}.weights", "weights must be 0 to 1000000 ppm each and sum to 1000000")


def valuation(valuation: wire.Valuation, field: str) -> None:
    """Values and costs stand once for each good, and each value is stated in one way."""
    outlook(valuation.outlook, f"{field}.outlook")
    margin(valuation.margin_ppm, f"{field}.margin_ppm")
    unique((stated.good for stated in valuation.values), f"{field}.values")
    unique((stated.good for stated in valuation.costs), f"{field}.costs")
    for index, stated in enumerate(valuation.values):
        place = f"{field}.values[{index}]"
        if (stated.value is None) == (stated.dimensions is None):
            raise BadWire(place, "give either value or dimensions, not both and not neither")
        if stated.value is not None:
            bounds(stated.value, f"{place}.value")
        if stated.dimensions is not None:
            by = stated.dimensions
            bounds(by.economic, f"{place}.dimensions.economic")
            bounds(by.social, f"{place}.dimensions.social")
            bounds(by.environmental, f"{place}.dimensions.environmental")
            bounds(by.security, f"{place}.dimensions.security")
    for index, cost in enumerate(valuation.costs):
        bounds(cost.cost, f"{field}.costs[{index}].cost")
