//! Reads what happened to a deal.
//!
//! serde reads a tagged enum by way of a buffer that forgets the format and the place: a hash written
//! as hexadecimal text would pass in MessagePack, and a bad one would be refused without its name. So
//! the fields of all variants are read as one struct, and the tag then says which must be there.

use serde::de::{Deserialize, Deserializer, Error};

use crate::event::{Evidence, Happening, Signed};
use crate::hash::{self, Hash};
use crate::id::{AgentId, MarketId};
use crate::profile::Profile;

#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Opened,
    Proposed,
    Accepted,
    Certified,
    Committed,
    Confirmed,
    Settled,
    Rejected,
    Withdrawn,
    Expired,
    Refused,
    Failed,
    Compensated,
}

#[derive(serde::Deserialize)]
struct Happened {
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(default)]
    opener: Option<AgentId>,
    #[serde(default)]
    book: Option<MarketId>,
    #[serde(default)]
    profile: Option<Profile>,
    #[serde(default)]
    terms_hash: Option<Hash>,
    #[serde(default)]
    by: Option<AgentId>,
    #[serde(default)]
    last: Option<bool>,
    #[serde(default, with = "hash::optional_bytes")]
    terms: Option<Vec<u8>>,
    #[serde(default)]
    acceptances: Option<Vec<Signed>>,
    #[serde(default)]
    certificates: Vec<Evidence>,
    #[serde(default)]
    rule: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    evidence: Option<Evidence>,
    #[serde(default)]
    party: Option<AgentId>,
    #[serde(default)]
    undelivered: Option<Vec<u32>>,
    #[serde(default)]
    reversed: Option<Vec<u32>>,
}

impl<'de> Deserialize<'de> for Happening {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        fn there<T, E: Error>(field: Option<T>, name: &'static str) -> Result<T, E> {
            field.ok_or_else(|| E::missing_field(name))
        }
        let happened = Happened::deserialize(from)?;
        Ok(match happened.kind {
            Kind::Opened => Self::Opened {
                opener: there(happened.opener, "opener")?,
                book: there(happened.book, "book")?,
                profile: there(happened.profile, "profile")?,
                terms_hash: happened.terms_hash,
            },
            Kind::Proposed => {
                Self::Proposed { by: there(happened.by, "by")?, terms_hash: there(happened.terms_hash, "terms_hash")? }
            }
            Kind::Accepted => Self::Accepted {
                by: there(happened.by, "by")?,
                terms_hash: there(happened.terms_hash, "terms_hash")?,
                last: there(happened.last, "last")?,
            },
            Kind::Certified => Self::Certified {
                opener: there(happened.opener, "opener")?,
                book: there(happened.book, "book")?,
                terms: there(happened.terms, "terms")?,
                acceptances: there(happened.acceptances, "acceptances")?,
                certificates: happened.certificates,
            },
            Kind::Committed => Self::Committed {
                book: there(happened.book, "book")?,
                terms: there(happened.terms, "terms")?,
                acceptances: there(happened.acceptances, "acceptances")?,
                certificates: happened.certificates,
            },
            Kind::Confirmed => Self::Confirmed { by: there(happened.by, "by")? },
            Kind::Settled => Self::Settled,
            Kind::Rejected => {
                Self::Rejected { by: there(happened.by, "by")?, reason: there(happened.reason, "reason")? }
            }
            Kind::Withdrawn => {
                Self::Withdrawn { by: there(happened.by, "by")?, reason: there(happened.reason, "reason")? }
            }
            Kind::Expired => Self::Expired,
            Kind::Refused => Self::Refused {
                rule: there(happened.rule, "rule")?,
                reason: there(happened.reason, "reason")?,
                evidence: happened.evidence,
                party: happened.party,
            },
            Kind::Failed => Self::Failed { undelivered: there(happened.undelivered, "undelivered")? },
            Kind::Compensated => Self::Compensated { reversed: there(happened.reversed, "reversed")? },
        })
    }
}
