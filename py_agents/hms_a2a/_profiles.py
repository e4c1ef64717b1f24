"""Who may move when, as data: generated from the crate `schemas`, do not edit."""

from typing import Final, NamedTuple

from hms_a2a._wire import Mover, Profile, State, Verb


class Row(NamedTuple):
    """In state `before` (None: before the deal), `mover` may make `verb`, which leads to `after`."""

    before: State | None
    mover: Mover
    verb: Verb
    after: State


ENDS: Final[frozenset[State]] = frozenset(
    (
        State.SETTLED,
        State.REJECTED,
        State.WITHDRAWN,
        State.EXPIRED,
        State.REFUSED,
        State.COMPENSATED,
    )
)
"""The states that nothing can follow."""

OPENER_IS_PARTY: Final[frozenset[Profile]] = frozenset((Profile.FIXED_1, Profile.SAO_1, Profile.CNP_1, Profile.ICNP_1))
"""The profiles in which whoever opens must be a party."""

TABLES: Final[dict[Profile, tuple[Row, ...]]] = {
    Profile.FIXED_1: (
        Row(None, Mover.OPENER, Verb.OPEN, State.OPEN),
        Row(None, Mover.OPENER, Verb.OPEN_WITH_TERMS, State.NEGOTIATING),
        Row(State.OPEN, Mover.OPENER, Verb.PROPOSE, State.NEGOTIATING),
        Row(State.OPEN, Mover.PARTY, Verb.REJECT, State.REJECTED),
        Row(State.OPEN, Mover.OPENER, Verb.WITHDRAW, State.WITHDRAWN),
        Row(State.OPEN, Mover.DESK, Verb.EXPIRE, State.EXPIRED),
        Row(State.NEGOTIATING, Mover.PARTY, Verb.ACCEPT, State.NEGOTIATING),
        Row(State.NEGOTIATING, Mover.PARTY, Verb.ACCEPT_LAST, State.AGREED),
        Row(State.NEGOTIATING, Mover.PARTY, Verb.REJECT, State.REJECTED),
        Row(State.NEGOTIATING, Mover.OPENER, Verb.WITHDRAW, State.WITHDRAWN),
        Row(State.NEGOTIATING, Mover.DESK, Verb.EXPIRE, State.EXPIRED),
        Row(State.AGREED, Mover.DESK, Verb.CERTIFY, State.CERTIFIED),
        Row(State.AGREED, Mover.DESK, Verb.REFUSE, State.REFUSED),
        Row(State.CERTIFIED, Mover.LEDGER, Verb.COMMIT, State.COMMITTED),
        Row(State.CERTIFIED, Mover.LEDGER, Verb.COMMIT_IMMEDIATE, State.SETTLED),
        Row(State.CERTIFIED, Mover.LEDGER, Verb.REFUSE, State.REFUSED),
        Row(State.COMMITTED, Mover.RECEIVER, Verb.CONFIRM, State.COMMITTED),
        Row(State.COMMITTED, Mover.RECEIVER, Verb.CONFIRM_LAST, State.SETTLED),
        Row(State.COMMITTED, Mover.DESK, Verb.FAIL, State.FAILED),
        Row(State.FAILED, Mover.LEDGER, Verb.COMPENSATE, State.COMPENSATED),
    ),
    Profile.RING_1: (
        Row(None, Mover.OPENER, Verb.OPEN_WITH_TERMS, State.NEGOTIATING),
        Row(State.NEGOTIATING, Mover.PARTY, Verb.ACCEPT, State.NEGOTIATING),
        Row(State.NEGOTIATING, Mover.PARTY, Verb.ACCEPT_LAST, State.AGREED),
        Row(State.NEGOTIATING, Mover.PARTY, Verb.REJECT, State.REJECTED),
        Row(State.NEGOTIATING, Mover.OPENER, Verb.WITHDRAW, State.WITHDRAWN),
        Row(State.NEGOTIATING, Mover.DESK, Verb.EXPIRE, State.EXPIRED),
        Row(State.AGREED, Mover.DESK, Verb.CERTIFY, State.CERTIFIED),
        Row(State.AGREED, Mover.DESK, Verb.REFUSE, State.REFUSED),
        Row(State.CERTIFIED, Mover.LEDGER, Verb.COMMIT, State.COMMITTED),
        Row(State.CERTIFIED, Mover.LEDGER, Verb.COMMIT_IMMEDIATE, State.SETTLED),
        Row(State.CERTIFIED, Mover.LEDGER, Verb.REFUSE, State.REFUSED),
        Row(State.COMMITTED, Mover.RECEIVER, Verb.CONFIRM, State.COMMITTED),
        Row(State.COMMITTED, Mover.RECEIVER, Verb.CONFIRM_LAST, State.SETTLED),
        Row(State.COMMITTED, Mover.DESK, Verb.FAIL, State.FAILED),
        Row(State.FAILED, Mover.LEDGER, Verb.COMPENSATE, State.COMPENSATED),
    ),
    Profile.EXCHANGE_1: (
        Row(None, Mover.OPENER, Verb.OPEN_WITH_TERMS, State.NEGOTIATING),
        Row(State.NEGOTIATING, Mover.PARTY, Verb.ACCEPT, State.NEGOTIATING),
        Row(State.NEGOTIATING, Mover.PARTY, Verb.ACCEPT_LAST, State.AGREED),
        Row(State.NEGOTIATING, Mover.PARTY, Verb.REJECT, State.REJECTED),
        Row(State.NEGOTIATING, Mover.OPENER, Verb.WITHDRAW, State.WITHDRAWN),
        Row(State.NEGOTIATING, Mover.DESK, Verb.EXPIRE, State.EXPIRED),
        Row(State.AGREED, Mover.DESK, Verb.CERTIFY, State.CERTIFIED),
        Row(State.AGREED, Mover.DESK, Verb.REFUSE, State.REFUSED),
        Row(State.CERTIFIED, Mover.LEDGER, Verb.COMMIT, State.COMMITTED),
        Row(State.CERTIFIED, Mover.LEDGER, Verb.COMMIT_IMMEDIATE, State.SETTLED),
        Row(State.CERTIFIED, Mover.LEDGER, Verb.REFUSE, State.REFUSED),
        Row(State.COMMITTED, Mover.RECEIVER, Verb.CONFIRM, State.COMMITTED),
        Row(State.COMMITTED, Mover.RECEIVER, Verb.CONFIRM_LAST, State.SETTLED),
        Row(State.COMMITTED, Mover.DESK, Verb.FAIL, State.FAILED),
        Row(State.FAILED, Mover.LEDGER, Verb.COMPENSATE, State.COMPENSATED),
    ),
    Profile.SAO_1: (
        Row(None, Mover.OPENER, Verb.OPEN, State.OPEN),
        Row(State.OPEN, Mover.PARTY, Verb.PROPOSE, State.NEGOTIATING),
        Row(State.OPEN, Mover.PARTY, Verb.REJECT, State.REJECTED),
        Row(State.OPEN, Mover.OPENER, Verb.WITHDRAW, State.WITHDRAWN),
        Row(State.OPEN, Mover.DESK, Verb.EXPIRE, State.EXPIRED),
        Row(State.NEGOTIATING, Mover.PARTY, Verb.ACCEPT, State.NEGOTIATING),
        Row(State.NEGOTIATING, Mover.PARTY, Verb.ACCEPT_LAST, State.AGREED),
        Row(State.NEGOTIATING, Mover.PARTY, Verb.REJECT, State.REJECTED),
        Row(State.NEGOTIATING, Mover.OPENER, Verb.WITHDRAW, State.WITHDRAWN),
        Row(State.NEGOTIATING, Mover.DESK, Verb.EXPIRE, State.EXPIRED),
        Row(State.AGREED, Mover.DESK, Verb.CERTIFY, State.CERTIFIED),
        Row(State.AGREED, Mover.DESK, Verb.REFUSE, State.REFUSED),
        Row(State.CERTIFIED, Mover.LEDGER, Verb.COMMIT, State.COMMITTED),
        Row(State.CERTIFIED, Mover.LEDGER, Verb.COMMIT_IMMEDIATE, State.SETTLED),
        Row(State.CERTIFIED, Mover.LEDGER, Verb.REFUSE, State.REFUSED),
        Row(State.COMMITTED, Mover.RECEIVER, Verb.CONFIRM, State.COMMITTED),
        Row(State.COMMITTED, Mover.RECEIVER, Verb.CONFIRM_LAST, State.SETTLED),
        Row(State.COMMITTED, Mover.DESK, Verb.FAIL, State.FAILED),
        Row(State.FAILED, Mover.LEDGER, Verb.COMPENSATE, State.COMPENSATED),
    ),
    Profile.CNP_1: (
        Row(None, Mover.OPENER, Verb.OPEN, State.OPEN),
        Row(State.OPEN, Mover.OPENER, Verb.PROPOSE, State.NEGOTIATING),
        Row(State.OPEN, Mover.OPENER, Verb.WITHDRAW, State.WITHDRAWN),
        Row(State.OPEN, Mover.DESK, Verb.EXPIRE, State.EXPIRED),
        Row(State.NEGOTIATING, Mover.PARTY, Verb.ACCEPT, State.NEGOTIATING),
        Row(State.NEGOTIATING, Mover.PARTY, Verb.ACCEPT_LAST, State.AGREED),
        Row(State.NEGOTIATING, Mover.PARTY, Verb.REJECT, State.REJECTED),
        Row(State.NEGOTIATING, Mover.OPENER, Verb.WITHDRAW, State.WITHDRAWN),
        Row(State.NEGOTIATING, Mover.DESK, Verb.EXPIRE, State.EXPIRED),
        Row(State.AGREED, Mover.DESK, Verb.CERTIFY, State.CERTIFIED),
        Row(State.AGREED, Mover.DESK, Verb.REFUSE, State.REFUSED),
        Row(State.CERTIFIED, Mover.LEDGER, Verb.COMMIT, State.COMMITTED),
        Row(State.CERTIFIED, Mover.LEDGER, Verb.COMMIT_IMMEDIATE, State.SETTLED),
        Row(State.CERTIFIED, Mover.LEDGER, Verb.REFUSE, State.REFUSED),
        Row(State.COMMITTED, Mover.RECEIVER, Verb.CONFIRM, State.COMMITTED),
        Row(State.COMMITTED, Mover.RECEIVER, Verb.CONFIRM_LAST, State.SETTLED),
        Row(State.COMMITTED, Mover.DESK, Verb.FAIL, State.FAILED),
        Row(State.FAILED, Mover.LEDGER, Verb.COMPENSATE, State.COMPENSATED),
    ),
    Profile.ICNP_1: (
        Row(None, Mover.OPENER, Verb.OPEN, State.OPEN),
        Row(State.OPEN, Mover.OPENER, Verb.PROPOSE, State.NEGOTIATING),
        Row(State.OPEN, Mover.OPENER, Verb.WITHDRAW, State.WITHDRAWN),
        Row(State.OPEN, Mover.DESK, Verb.EXPIRE, State.EXPIRED),
        Row(State.NEGOTIATING, Mover.PARTY, Verb.ACCEPT, State.NEGOTIATING),
        Row(State.NEGOTIATING, Mover.PARTY, Verb.ACCEPT_LAST, State.AGREED),
        Row(State.NEGOTIATING, Mover.PARTY, Verb.REJECT, State.REJECTED),
        Row(State.NEGOTIATING, Mover.OPENER, Verb.WITHDRAW, State.WITHDRAWN),
        Row(State.NEGOTIATING, Mover.DESK, Verb.EXPIRE, State.EXPIRED),
        Row(State.AGREED, Mover.DESK, Verb.CERTIFY, State.CERTIFIED),
        Row(State.AGREED, Mover.DESK, Verb.REFUSE, State.REFUSED),
        Row(State.CERTIFIED, Mover.LEDGER, Verb.COMMIT, State.COMMITTED),
        Row(State.CERTIFIED, Mover.LEDGER, Verb.COMMIT_IMMEDIATE, State.SETTLED),
        Row(State.CERTIFIED, Mover.LEDGER, Verb.REFUSE, State.REFUSED),
        Row(State.COMMITTED, Mover.RECEIVER, Verb.CONFIRM, State.COMMITTED),
        Row(State.COMMITTED, Mover.RECEIVER, Verb.CONFIRM_LAST, State.SETTLED),
        Row(State.COMMITTED, Mover.DESK, Verb.FAIL, State.FAILED),
        Row(State.FAILED, Mover.LEDGER, Verb.COMPENSATE, State.COMPENSATED),
    ),
    Profile.STX_1: (
        Row(None, Mover.OPENER, Verb.OPEN, State.OPEN),
        Row(State.OPEN, Mover.OPENER, Verb.PROPOSE, State.NEGOTIATING),
        Row(State.OPEN, Mover.PARTY, Verb.REJECT, State.REJECTED),
        Row(State.OPEN, Mover.OPENER, Verb.WITHDRAW, State.WITHDRAWN),
        Row(State.OPEN, Mover.DESK, Verb.EXPIRE, State.EXPIRED),
        Row(State.NEGOTIATING, Mover.PARTY, Verb.ACCEPT, State.NEGOTIATING),
        Row(State.NEGOTIATING, Mover.PARTY, Verb.ACCEPT_LAST, State.AGREED),
        Row(State.NEGOTIATING, Mover.PARTY, Verb.REJECT, State.REJECTED),
        Row(State.NEGOTIATING, Mover.OPENER, Verb.WITHDRAW, State.WITHDRAWN),
        Row(State.NEGOTIATING, Mover.DESK, Verb.EXPIRE, State.EXPIRED),
        Row(State.AGREED, Mover.DESK, Verb.CERTIFY, State.CERTIFIED),
        Row(State.AGREED, Mover.DESK, Verb.REFUSE, State.REFUSED),
        Row(State.CERTIFIED, Mover.LEDGER, Verb.COMMIT, State.COMMITTED),
        Row(State.CERTIFIED, Mover.LEDGER, Verb.COMMIT_IMMEDIATE, State.SETTLED),
        Row(State.CERTIFIED, Mover.LEDGER, Verb.REFUSE, State.REFUSED),
        Row(State.COMMITTED, Mover.RECEIVER, Verb.CONFIRM, State.COMMITTED),
        Row(State.COMMITTED, Mover.RECEIVER, Verb.CONFIRM_LAST, State.SETTLED),
        Row(State.COMMITTED, Mover.DESK, Verb.FAIL, State.FAILED),
        Row(State.FAILED, Mover.LEDGER, Verb.COMPENSATE, State.COMPENSATED),
    ),
}
"""Each profile's table."""


def row(profile: Profile, before: State | None, verb: Verb) -> Row | None:
    """The row for a verb in a state, if the profile has one."""
    return next((row for row in TABLES[profile] if row.before == before and row.verb == verb), None)
