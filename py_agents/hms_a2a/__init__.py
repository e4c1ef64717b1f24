"""Agents that make deals over NATS.

::

    from hms_a2a import Agent, Give, Want

    agent = Agent("kenya")


    @agent.on_proposal
    async def decide(deal):
        return deal.is_good()


    agent.join("bazaar", gives=[Give("wheat", 100, cost=20)], wants=[Want("coffee", 50, value=90)])
    agent.run()

An agent says what it can give and what it wants; the cores find exchanges in which everyone gains; the agent accepts by
signature what is good for it. `Agent` is the whole of it; `Host` carries many in one process; `wire` has the messages
of the contract, for `Agent.call`. Everything that is raised is an `HmsError`.
"""

from hms_a2a import _wire as wire
from hms_a2a._agent import Agent
from hms_a2a._deal import Deal
from hms_a2a._envelope import Attachment
from hms_a2a._errors import (
    BadMessage,
    BadSetting,
    BadWire,
    BusError,
    Busy,
    Conflict,
    Declined,
    Disconnected,
    ErrorReply,
    Forbidden,
    HmsError,
    Internal,
    JobFailed,
    Late,
    NoResponders,
    NoTerms,
    NotFound,
    Refusal,
    Refused,
    TimedOut,
    Unsigned,
    WordRefused,
)
from hms_a2a._host import Host
from hms_a2a._membership import Membership, Objection
from hms_a2a._message import Message
from hms_a2a._offer import Give, Offer, Want
from hms_a2a._peers import Conversation, Peer, Question, Said
from hms_a2a._prompts import Prompt
from hms_a2a._talking import Talking
from hms_a2a._tasks import Job, Result, Tasks, Work
from hms_a2a._topics import Subscription, Topic
from hms_a2a._value import Outlook

__all__ = [
    "Agent",
    "Attachment",
    "BadMessage",
    "BadSetting",
    "BadWire",
    "BusError",
    "Busy",
    "Conflict",
    "Conversation",
    "Deal",
    "Declined",
    "Disconnected",
    "ErrorReply",
    "Forbidden",
    "Give",
    "HmsError",
    "Host",
    "Internal",
    "Job",
    "JobFailed",
    "Late",
    "Membership",
    "Message",
    "NoResponders",
    "NoTerms",
    "NotFound",
    "Objection",
    "Offer",
    "Outlook",
    "Peer",
    "Prompt",
    "Question",
    "Refusal",
    "Refused",
    "Result",
    "Said",
    "Subscription",
    "Talking",
    "Tasks",
    "TimedOut",
    "Topic",
    "Unsigned",
    "Want",
    "WordRefused",
    "Work",
    "wire",
]

# What a traceback or a repr says of these is where an author finds them.
for _name in __all__:
    if isinstance(_object := globals()[_name], type):
        _object.__module__ = __name__
del _name, _object
