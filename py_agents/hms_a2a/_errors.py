"""Everything that this package raises, in one tree.

::

    HmsError
    ├── BadSetting          a key, context file or option that cannot be used
    ├── BadWire             a message that breaks the contract, coming or going; `field` says where
    ├── NoTerms             a deal that has no terms yet was asked about them
    ├── Refusal             what an author's handler raises, to answer no
    ├── Declined            what a worker's handler raises, to give its task back
    ├── JobFailed           a job that was awaited failed, by `rule`, or was cancelled
    ├── WordRefused         a word of a negotiation that is not taken, by which `rule`
    ├── BusError            the question did not get an answer
    │   ├── Disconnected    no broker, or the agent was stopped
    │   ├── NoResponders    a broker, and nobody there who answers this
    │   └── TimedOut        nobody answered in time: what happened is *unknown*
    └── ErrorReply          a core or another agent answered, and the answer is no
        ├── BadMessage      400  malformed; `field` says where
        ├── Unsigned        401  no valid signature
        ├── Forbidden       403  not yours to do
        ├── NotFound        404  no such thing
        ├── Conflict        409  conflicts with the `state`
        ├── Late            410  past its deadline
        ├── Refused         422  well-formed, and refused by `rule`
        ├── Busy            429  try again after `retry_after_ms`
        └── Internal        500  the core's fault; `id` stands in its log

What was called wrongly (a float where an exact number is meant, a bad agent id) is a plain ``TypeError`` or
``ValueError``, as anywhere in Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hms_a2a import _wire as wire


class HmsError(Exception):
    """Any error of this package."""


class BadSetting(HmsError):
    """A key, a context file or an option that cannot be used; the message says which and why."""


class BadWire(HmsError):
    """A message that breaks the contract: bytes that came, or an object that was to be sent.

    `field` is the place as a dotted path, empty for the body as a whole; `reason` is what is wrong with it.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field
        self.reason = reason


class NoTerms(HmsError):
    """A deal that has no terms yet was asked about them."""


class WordRefused(HmsError):
    """A word of a negotiation that is not taken; the talk goes on as if it had not been said.

    `rule` is the rule that refuses it, a stable word: ``late``, ``out_of_turn``, ``duplicate``, ``foreign``,
    ``broken_chain``, ``unknown_offer``, ``outside_domain``, ``over``, ``wrong_award``, ``wrong_call``, ``wrong_count``,
    ``wrong_text`` or ``malformed``.
    """

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(f"{rule}: {reason}")
        self.rule = rule
        self.reason = reason


class Refusal(HmsError):
    """Raise it in a handler to answer whoever asked with an error of your own.

    ``raise Refusal("wheat is sold out", code=422, rule="sold_out")``. `code` is one of those of `ErrorReply`; whoever
    asked gets the error of that code. Whatever else a handler raises is answered with 500, and told to nobody but this
    agent's log.
    """

    def __init__(
        self,
        message: str,
        *,
        code: int = 422,
        rule: str | None = None,
        field: str | None = None,
        retry_after_ms: int | None = None,
    ) -> None:
        super().__init__(message)
        if code not in _BY_CODE:
            raise ValueError(f"{code} is no code of an error: {sorted(_BY_CODE)}")
        self.message = message
        self.code = code
        self.rule = rule
        self.field = field
        self.retry_after_ms = retry_after_ms


class Declined(HmsError):
    """Raised by a worker's handler: it gives the task back, with this reason."""


class JobFailed(HmsError):
    """A job that was awaited failed or was cancelled."""

    def __init__(self, job: str, rule: str | None) -> None:
        super().__init__(f"job {job}: {rule or 'cancelled'}")
        #: The rule that failed it, a stable word; None where its supervisor ended it.
        self.rule = rule


class BusError(HmsError):
    """The question did not get an answer."""


class Disconnected(BusError):
    """There is no broker to be reached, or the agent was stopped."""


class NoResponders(BusError):
    """There is a broker, and nobody there who answers this."""


class TimedOut(BusError):
    """Nobody answered in time. What happened is unknown: ask again with the same `move_id`."""


class ErrorReply(HmsError):
    """A core or another agent answered, and the answer is no. Its fields are those of the reply."""

    def __init__(self, reply: wire.ErrorReply) -> None:
        super().__init__(
            f"{reply.code} {reply.field}: {reply.message}" if reply.field else f"{reply.code} {reply.message}"
        )
        self.reply = reply
        self.code: int = reply.code
        self.message: str = reply.message
        self.retryable: bool = reply.retryable
        self.field: str | None = reply.field

    @staticmethod
    def of(reply: wire.ErrorReply) -> ErrorReply:
        """The error of the reply's code; an unknown code counts as `Internal`."""
        return _BY_CODE.get(reply.code, Internal)(reply)


class BadMessage(ErrorReply):
    """400: the message is malformed; `field` says where."""


class Unsigned(ErrorReply):
    """401: there is no valid signature."""


class Forbidden(ErrorReply):
    """403: not yours to do."""


class NotFound(ErrorReply):
    """404: there is no such thing."""


class Conflict(ErrorReply):
    """409: conflicts with the state."""

    @property
    def state(self) -> str | None:
        """The state that it conflicts with."""
        return self.reply.state


class Late(ErrorReply):
    """410: past its deadline."""


class Refused(ErrorReply):
    """422: well-formed, and refused by a rule."""

    @property
    def rule(self) -> str | None:
        """The rule that refused it, a stable word."""
        return self.reply.rule


class Busy(ErrorReply):
    """429: too busy."""

    @property
    def retry_after_ms(self) -> int | None:
        """When to try again, in milliseconds."""
        return self.reply.retry_after_ms


class Internal(ErrorReply):
    """500: the core's fault."""

    @property
    def id(self) -> str | None:
        """The id under which it stands in the core's log."""
        return self.reply.id


_BY_CODE: dict[int, type[ErrorReply]] = {
    400: BadMessage,
    401: Unsigned,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Late,
    422: Refused,
    429: Busy,
    500: Internal,
}
