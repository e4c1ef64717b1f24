//! Laws of the codec: what is written is read again, from MessagePack and from JSON alike; what is cut
//! or changed never makes a reader panic, and never passes for something that writes otherwise.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // this is all test code

use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use schemas::body::{self, Message};
use schemas::deal::{Accept, ClaimKind, Delivery, IntentRef, Open, Terms, Transfer};
use schemas::event::{DealEvent, DealNote, Evidence, Happening, Signed};
use schemas::ledger::{Declare, Limit};
use schemas::limit::MAX_BODY_BYTES;
use schemas::market::{Alternative, Give, Intent, Want};
use schemas::negotiation::Transcript;
use schemas::profile::{Profile, State};
use schemas::scan::{Strictness, scan};
use schemas::value::{Bounds, Dimensions, Outlook, PartyKind, UnitCost, UnitValue, Valuation, Weights};
use schemas::{AgentId, DealId, ErrorReply, Good, Hash, MarketId, MoveId, Quantity, Rational, catalogue};

fn agent() -> impl Strategy<Value = AgentId> {
    "[a-z0-9_-]{1,63}".prop_map(|text| AgentId::parse(&text).unwrap())
}
fn good() -> impl Strategy<Value = Good> {
    "[a-z0-9_-]{1,63}".prop_map(|text| Good::parse(&text).unwrap())
}
fn market() -> impl Strategy<Value = MarketId> {
    "[a-z0-9_-]{1,63}".prop_map(|text| MarketId::parse(&text).unwrap())
}
fn move_id() -> impl Strategy<Value = MoveId> {
    "[A-Za-z0-9_-]{1,64}".prop_map(|text| MoveId::parse(&text).unwrap())
}
fn deal() -> impl Strategy<Value = DealId> {
    (agent(), move_id()).prop_map(|(opener, move_id)| DealId::of(&opener, &move_id))
}
fn hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(|raw| Hash::from_slice(&raw).unwrap())
}
fn quantity() -> impl Strategy<Value = Quantity> {
    (1..=i64::MAX).prop_map(|units| Quantity::new(units).unwrap())
}
fn ratio() -> impl Strategy<Value = Rational> {
    (any::<i64>(), 1..=i64::MAX).prop_map(|(top, bottom)| Rational::new(top.into(), bottom.into()).unwrap())
}
fn portion() -> impl Strategy<Value = Rational> {
    (0..=1_000_000_i64).prop_map(|ppm| Rational::new(ppm.into(), 1_000_000).unwrap())
}
fn bounds() -> impl Strategy<Value = Bounds> {
    let end =
        || (0..=i64::MAX, 1..=i64::MAX).prop_map(|(top, bottom)| Rational::new(top.into(), bottom.into()).unwrap());
    (end(), end()).prop_map(|(a, b)| Bounds { lo: a.min(b), hi: a.max(b) })
}
fn kind() -> impl Strategy<Value = PartyKind> {
    prop::sample::select(vec![PartyKind::Government, PartyKind::Corporate, PartyKind::Ngo, PartyKind::Civilian])
}

prop_compose! {
    fn outlook()(kind in kind(), rate in option::of(portion()), risk_aversion in option::of(portion()),
                 arrival in option::of(portion()), economic in option::of(0..=1_000_000_i64)) -> Outlook {
        let weights = economic.map(|economic_ppm| Weights {
            economic_ppm, social_ppm: 1_000_000 - economic_ppm, environmental_ppm: 0, security_ppm: 0,
        });
        Outlook { kind, rate, risk_aversion, arrival, weights }
    }
}
prop_compose! {
    fn valuation()(outlook in outlook(), margin_ppm in 0..=1_000_000_000_i64, goods in btree_set(good(), 0..5),
                   spans in vec((bounds(), any::<bool>()), 5)) -> Valuation {
        let values = goods.iter().zip(&spans).map(|(good, (span, whole))| UnitValue {
            good: good.clone(),
            value: whole.then_some(*span),
            dimensions: (!whole).then_some(Dimensions { economic: *span, social: *span, environmental: *span, security: *span }),
        }).collect();
        let costs = goods.iter().zip(&spans).map(|(good, (cost, _))| UnitCost { good: good.clone(), cost: *cost }).collect();
        Valuation { outlook, margin_ppm, values, costs }
    }
}
prop_compose! {
    fn terms()(book in market(), parties in btree_set(agent(), 2..8), goods in vec((good(), quantity(), 0..=i64::MAX, option::of(any::<u64>())), 8),
               delivery in prop::sample::select(vec![Delivery::Immediate, Delivery::Confirmed]), expires in i64::MIN..=0) -> Terms {
        let parties: Vec<_> = parties.into_iter().collect();
        let transfers = parties.iter().zip(parties.iter().cycle().skip(1)).zip(goods).map(|((from, to), (good, quantity, due, sequence))| Transfer {
            from: from.clone(), to: to.clone(), good, quantity, due_unix_ms: due,
            intent: sequence.map(|sequence| IntentRef { agent: from.clone(), sequence }),
        }).collect();
        Terms { book, parties, transfers, delivery, expires_unix_ms: expires, award: None }
    }
}
prop_compose! {
    fn signed()(subject in ".{0,20}", sender in ".{0,20}", body in vec(any::<u8>(), 0..300)) -> Signed {
        Signed { subject, sender, body }
    }
}

fn happening() -> impl Strategy<Value = Happening> {
    let bytes = || vec(any::<u8>(), 0..300);
    let certificate = || (hash(), bytes()).prop_map(|(claim_hash, certificate)| Evidence { claim_hash, certificate });
    let certificates = || vec(certificate(), 0..3);
    let profile = prop::sample::select(Profile::ALL.to_vec());
    prop_oneof![
        (agent(), market(), profile, option::of(hash()))
            .prop_map(|(opener, book, profile, terms_hash)| Happening::Opened { opener, book, profile, terms_hash }),
        (agent(), hash()).prop_map(|(by, terms_hash)| Happening::Proposed { by, terms_hash }),
        (agent(), hash(), any::<bool>()).prop_map(|(by, terms_hash, last)| Happening::Accepted {
            by,
            terms_hash,
            last
        }),
        (agent(), market(), bytes(), vec(signed(), 0..4), certificates()).prop_map(
            |(opener, book, terms, acceptances, certificates)| {
                Happening::Certified { opener, book, terms, acceptances, certificates }
            }
        ),
        (market(), bytes(), vec(signed(), 0..4), certificates()).prop_map(
            |(book, terms, acceptances, certificates)| {
                Happening::Committed { book, terms, acceptances, certificates }
            }
        ),
        agent().prop_map(|by| Happening::Confirmed { by }),
        Just(Happening::Settled),
        (agent(), ".{0,40}").prop_map(|(by, reason)| Happening::Rejected { by, reason }),
        (agent(), ".{0,40}").prop_map(|(by, reason)| Happening::Withdrawn { by, reason }),
        Just(Happening::Expired),
        ("[a-z_]{1,20}", ".{0,40}", option::of(certificate()))
            .prop_map(|(rule, reason, evidence)| Happening::Refused { rule, reason, evidence, party: None }),
        vec(any::<u32>(), 0..5).prop_map(|undelivered| Happening::Failed { undelivered }),
        vec(any::<u32>(), 0..5).prop_map(|reversed| Happening::Compensated { reversed }),
    ]
}

prop_compose! {
    fn transcript()(head in hash(), length in any::<u32>()) -> Transcript { Transcript { head, length } }
}
prop_compose! {
    fn event()(deal in deal(), turn in any::<u32>(), prev in hash(), at_unix_ms in any::<i64>(), what in happening(),
               cause in option::of(signed()), trace in option::of(".{0,60}")) -> DealEvent {
        DealEvent { deal, turn, prev, at_unix_ms, what, cause, trace }
    }
}
prop_compose! {
    fn note()(deal in deal(), state in prop::sample::select(State::ALL.to_vec()), turn in any::<u32>(), at_unix_ms in any::<i64>(), book in market(),
              opener in option::of(agent()), terms in option::of(vec(any::<u8>(), 0..300)), by in option::of(agent()),
              rule in option::of(".{0,9}"), reason in option::of(".{0,40}"), rules in option::of(vec(any::<u8>(), 0..300)), expires_unix_ms in option::of(any::<i64>())) -> DealNote {
        let profile = opener.as_ref().map(|_| Profile::Ring);
        DealNote { deal, event: state.to_string(), state, turn, at_unix_ms, book, opener, profile, terms, by, rule, reason, rules, expires_unix_ms }
    }
}
prop_compose! {
    fn intent()(market in market(), agent in agent(), give in btree_set(good(), 0..4), want in btree_set(good(), 1..4),
                spans in vec((bounds(), quantity()), 8), margin_ppm in 0..=1_000_000_000_i64, outlook in outlook()) -> Intent {
        let gives = give.iter().zip(&spans).map(|(good, (cost, limit))| Give { good: good.clone(), limit: *limit, cost: *cost }).collect();
        let any_of: Vec<_> = want.difference(&give).zip(&spans)
            .map(|(good, (value, limit))| Alternative { good: good.clone(), limit: *limit, value: *value }).collect();
        let wants = if any_of.is_empty() { Vec::new() } else { vec![Want { any_of }] };
        Intent { market, agent, gives, wants, margin_ppm, outlook }
    }
}
prop_compose! {
    fn open()(move_id in move_id(), deadline_unix_ms in any::<i64>(), book in market(), profile in prop::sample::select(Profile::ALL.to_vec()),
              parties in btree_set(agent(), 2..10), expires_unix_ms in any::<i64>(), terms in option::of(vec(any::<u8>(), 0..300)),
              requires in vec(prop::sample::select(vec![ClaimKind::WinWin, ClaimKind::Holdings]), 0..4), rules in option::of(vec(any::<u8>(), 0..300))) -> Open {
        Open { move_id, deadline_unix_ms, book, profile, parties: parties.into_iter().collect(), expires_unix_ms, terms, requires, rules }
    }
}
prop_compose! {
    fn declare()(move_id in move_id(), deadline_unix_ms in any::<i64>(), book in market(), goods in btree_set(good(), 0..40), quantity in 0..=i64::MAX) -> Declare {
        Declare { move_id, deadline_unix_ms, book, limits: goods.into_iter().map(|good| Limit { good, quantity }).collect() }
    }
}

/// Written, read and written again it is the same; from JSON too; and no shorter or longer body passes.
fn holds<T: Message + PartialEq + std::fmt::Debug>(message: &T) -> Result<(), TestCaseError> {
    let bytes = body::encode(message);
    let again = body::decode::<T>(&bytes, MAX_BODY_BYTES);
    prop_assert_eq!(again.as_ref(), Ok(message));
    prop_assert_eq!(body::type_of(&bytes, MAX_BODY_BYTES), Ok(T::TYPE));
    let entry = catalogue::find(T::TYPE).unwrap();
    let json = (entry.to_json)(&bytes).unwrap();
    prop_assert_eq!((entry.from_json)(&json), Ok(bytes.clone()));
    // A reader of JSON text sees the same numbers.
    let text: serde_json::Value = serde_json::from_str(&json.to_string()).unwrap();
    prop_assert_eq!((entry.from_json)(&text), Ok(bytes.clone()));
    let (shorter, longer) = (&bytes[..bytes.len() - 1], [&bytes[..], b"\0"].concat());
    prop_assert!(body::decode::<T>(shorter, MAX_BODY_BYTES).is_err());
    prop_assert!(body::decode::<T>(&longer, MAX_BODY_BYTES).is_err());
    prop_assert!(body::decode::<T>(&bytes, bytes.len() - 1).is_err());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn of_terms(message in terms()) { holds(&message)?; }
    #[test]
    fn of_openings(message in open()) { holds(&message)?; }
    #[test]
    fn of_acceptances(move_id in move_id(), deal in deal(), terms_hash in hash(), valuation in valuation(), transcript in option::of(transcript())) {
        holds(&Accept { move_id, deadline_unix_ms: 1, deal, terms_hash, valuation, holdings: Vec::new(), transcript })?;
    }
    #[test]
    fn of_events(message in event()) { holds(&message)?; }
    #[test]
    fn of_notes(message in note()) { holds(&message)?; }
    #[test]
    fn of_intents(message in intent()) { holds(&message)?; }
    #[test]
    fn of_declarations(message in declare()) { holds(&message)?; }
    #[test]
    fn of_errors(code in any::<u16>(), message in ".{0,200}", retryable in any::<bool>(), field in option::of(".{0,30}"), after in option::of(any::<u32>()), hash in option::of(hash())) {
        holds(&ErrorReply { code, message, retryable, field, rule: None, retry_after_ms: after, state: None, terms_hash: hash, id: None })?;
    }

    #[test]
    fn ratios_have_one_spelling(ratio in ratio()) {
        let text = ratio.to_string();
        prop_assert_eq!(text.parse::<Rational>(), Ok(ratio));
        let signed = text.trim_start_matches('-').split('/').map(|part| part.parse::<u64>().unwrap()).collect::<Vec<_>>();
        prop_assert!(signed.len() < 2 || signed[1] > 1);
    }

    #[test]
    fn a_changed_byte_is_refused_or_written_as_it_came_in(message in event(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = body::encode(&message);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(other) = body::decode::<DealEvent>(&bytes, MAX_BODY_BYTES) {
            // Liberties aside (an unknown field, a number in more bytes than it needs), it says what it says.
            let written = body::encode(&other);
            prop_assert_eq!(body::decode::<DealEvent>(&written, MAX_BODY_BYTES), Ok(other));
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in vec(any::<u8>(), 0..400)) {
        let _ = scan(&bytes, Strictness::Contract);
        let _ = scan(&bytes, Strictness::Anything);
        let _ = body::to_json(&bytes, MAX_BODY_BYTES);
        for entry in catalogue::ALL {
            prop_assert!((entry.rewrite)(&bytes).is_err());
        }
    }

    #[test]
    fn what_passes_the_scan_is_shown(message in event()) {
        prop_assert!(body::to_json(&body::encode(&message), MAX_BODY_BYTES).is_ok());
    }
}
