"""Rules of import certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hms_a2a._check_parts import text, unique
from hms_a2a._errors import BadWire
from hms_a2a._limits import MAX_DUE_MS, MAX_GOODS, MAX_LOTS

if TYPE_CHECKING:
    from hms_a2a import _wire as wire


def rules(kept: wire.ImportRules, place: str) -> None:
    """Refuses rules that cannot be kept; `place` stands before the field at fault."""
    unique((counted.good for counted in kept.goods), f"{place}.goods")
    if not 1 <= len(kept.goods) <= MAX_GOODS:
        raise BadWire(f"{place}.goods", f"1 to {MAX_GOODS} goods")
    for index, counted in enumerate(kept.goods):
        if counted.good == kept.good:
            raise BadWire(f"{place}.goods[{index}].good", "certificates don't count themselves")
        if counted.price <= 0:
            raise BadWire(f"{place}.goods[{index}].price", "must be positive")
    if not 1 <= kept.life_ms <= MAX_DUE_MS:
        raise BadWire(f"{place}.life_ms", f"1 to {MAX_DUE_MS}")
    if not 1 <= kept.lot_ms <= MAX_DUE_MS or kept.life_ms // kept.lot_ms >= MAX_LOTS:
        raise BadWire(f"{place}.lot_ms", f"1 to {MAX_DUE_MS}, and fewer than {MAX_LOTS} lots in a certificate's life")


def market(declared: wire.Market) -> None:
    """Refuses rules whose goods the market does not have."""
    kept = declared.import_certificates
    if kept is None:
        return
    rules(kept, "import_certificates")
    goods = {spec.good: spec for spec in declared.goods}
    if kept.good not in goods or goods[kept.good].lot is not None:
        raise BadWire("import_certificates.good", "must be one of the market's goods, and divisible")
    for index, counted in enumerate(kept.goods):
        if counted.good not in goods:
            raise BadWire(f"import_certificates.goods[{index}].good", "must be one of the market's goods")


def enact(message: wire.Enact) -> None:
    """Refuses rules that cannot be kept."""
    rules(message.rules, "rules")


def revoke(message: wire.Revoke) -> None:
    """Refuses a reason that is too long."""
    text(message.reason, "reason")


def certificate(event: wire.CertificateEvent) -> None:
    """Refuses an entry with two reasons, or none."""
    if (event.cause is None) == (event.deal is None):
        raise BadWire("cause", "either a move or a deal is why")
