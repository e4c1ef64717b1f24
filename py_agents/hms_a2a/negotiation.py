"""Negotiating: strategies, utilities, and the protocols as folds over what was said.

::

    from hms_a2a import Agent, negotiation


    class Stubborn(negotiation.Strategy):
        \"\"\"Offers its best, and takes anything in the last round.\"\"\"

        def choose(self, now):
            if now.table is not None and now.is_last_round and now.is_acceptable(now.table):
                return negotiation.Accept()
            return now.best()


    agent = Agent("kenya")


    @agent.negotiations.invited
    def sit_down(invitation):
        more_is_better = negotiation.Additive([(1_000_000, range(0, 1_000_001, 100_000))])
        return negotiation.Stance(more_is_better, Stubborn(), reserved_ppm=200_000)


    agent.run()

What is negotiated, and what each outcome means, is a `wire.Domain`; an outcome is one choice for each of its issues,
counted from 0. A utility is any function from an outcome to a whole number of parts of a million.

Four protocols are spoken: alternating offers (`Negotiations.open`, and `Negotiations.invited`), the contract net of
one call or of several rounds (`Negotiations.call`, and `Negotiations.called`), and mediated single text
(`Negotiations.mediate`, and `Negotiations.mediated`). Parties to them have a `Strategy`, a `Bidder` and a `Voter`;
`negotiate`, `call_for_bids` and `mediate` hold a talk without a bus, for trying those. They say the same words as
those of the crate `negotiation` in Rust.
"""

from hms_a2a._alternating import Agreed, Alternating, Broken, OutOfRounds, Word, read_word
from hms_a2a._bidding import Asking, Bidder, Contest, Sealed, Undercut
from hms_a2a._contract_net import Award, Bidding, ContractNet
from hms_a2a._contracting import Contractor, call_for_bids
from hms_a2a._invitation import Invitation
from hms_a2a._mediating import Member, mediate
from hms_a2a._mediation import Mediation, Vote
from hms_a2a._negotiation import Negotiation
from hms_a2a._negotiations import Negotiations
from hms_a2a._negotiator import Negotiator, negotiate
from hms_a2a._outcome_terms import number, terms_of
from hms_a2a._single_text import SingleText
from hms_a2a._space import Ranking, Space
from hms_a2a._stance import Stance
from hms_a2a._strategies import (
    Accept,
    AcceptIfGood,
    Boulware,
    Choice,
    Conceder,
    Concession,
    End,
    Linear,
    Micro,
    NashSeeker,
    Offer,
    Situation,
    Strategy,
    TitForTat,
)
from hms_a2a._talk import Talk
from hms_a2a._tender import Bid, Call, Tender
from hms_a2a._utility import Additive, Outcome, Rectangle, Rectangles, Utility
from hms_a2a._voting import Annealer, Ballot, HillClimber, Voter

__all__ = [
    "Accept",
    "AcceptIfGood",
    "Additive",
    "Agreed",
    "Alternating",
    "Annealer",
    "Asking",
    "Award",
    "Ballot",
    "Bid",
    "Bidder",
    "Bidding",
    "Boulware",
    "Broken",
    "Call",
    "Choice",
    "Conceder",
    "Concession",
    "Contest",
    "ContractNet",
    "Contractor",
    "End",
    "HillClimber",
    "Invitation",
    "Linear",
    "Mediation",
    "Member",
    "Micro",
    "NashSeeker",
    "Negotiation",
    "Negotiations",
    "Negotiator",
    "Offer",
    "OutOfRounds",
    "Outcome",
    "Ranking",
    "Rectangle",
    "Rectangles",
    "Sealed",
    "SingleText",
    "Situation",
    "Space",
    "Stance",
    "Strategy",
    "Talk",
    "Tender",
    "TitForTat",
    "Undercut",
    "Utility",
    "Vote",
    "Voter",
    "Word",
    "call_for_bids",
    "mediate",
    "negotiate",
    "number",
    "read_word",
    "terms_of",
]
