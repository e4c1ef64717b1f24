//! What a scenario's file may say, and what is drawn from it.

use std::collections::BTreeMap;

use super::*;
use crate::plan::Action;

/// Two dozen agents that are drawn.
const BAZAAR: &str = r#"
about = "a bazaar"
seconds = 20

[market]
id = "bazaar"
unit_of_account = "US cent"
band = { lo = "1/10", hi = "10" }
margin_ppm = 10000
max_ring = 3
clear_every_ms = 500
time_limit_ms = 500
accept_within_ms = 2000
delivery = "immediate"
deliver_within_ms = 0

[synthetic]
agents = 24
goods = 6
gives = [1, 2]
wants = [0, 2]
quantity = [10, 100]
price = [50, 500]
cost_ppm = [50000, 100000]
value_ppm = [100000, 300000]
bounds_ppm = 10000

[coming]
at_start_ppm = 500000
over_ms = 4000
last = ["agent-00003"]
away = 4
leave_ms = [3000, 5000]
away_ms = [1000, 2000]

[reservations]
up_to_ppm = 20000
strict = 3
strict_ppm = [400000, 500000]
never_strict = ["agent-00001"]
"#;

/// Countries in a table, as `TABLE` has it.
fn countries() -> String {
    let market = BAZAAR.split("[synthetic]").next().unwrap();
    format!(
        r#"{market}
[table]
csv = "trade.csv"
bounds_ppm = 10000

[table.spreads]
low = {{ cost_ppm = 50000, value_ppm = 300000 }}
high = {{ cost_ppm = 100000, value_ppm = 100000 }}

[table.prices]
"Potassium chloride" = "20000"
"#
    )
}

const TABLE: &str = "\
# a comment
iso3,income_level,commodity,unit,imports_qty,exports_qty,imports_usd,exports_usd,year
KEN,low,Tea,tonne,10.5,110.9,100,1200,2020
KEN,low,Potassium chloride,tonne,40,0,,,2020
GHA,high,Tea,tonne,50.25,0,700,0,2020
GHA,high,Potassium chloride,tonne,0,7,,,2020
TGO,low,Tea,tonne,1.5,2.25,0,0,2020
";

fn fault(text: &str) -> String {
    match Scenario::parse(text) {
        Err(ScenarioError::Field { field, .. }) => field,
        other => panic!("{other:?}"),
    }
}

fn population(text: &str, seed: u64) -> Result<Population, ScenarioError> {
    Scenario::parse(text)?.population(seed, Path::new("."), None)
}

/// The population of a scenario with this table beside it.
fn of_table(scenario: &str, table: &str) -> Result<Population, ScenarioError> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("trade.csv"), table).unwrap();
    Scenario::parse(scenario)?.population(1, folder.path(), None)
}

#[test]
fn every_wrong_field_is_named() {
    assert!(Scenario::parse(BAZAAR).is_ok());
    for (good, bad, field) in [
        ("seconds = 20", "seconds = 0", "seconds"),
        ("seconds = 20", "seconds = -1", "seconds"),
        ("seconds = 20", "hosts = 0\nseconds = 20", "hosts"),
        ("about = \"a bazaar\"", "", "about"),
        ("seconds = 20", "seconds = 20\nlanguage = \"go\"", "language"),
        ("seconds = 20", "seconds = 20\ncolour = 1", "colour"),
        ("id = \"bazaar\"", "id = \"Bazaar\"", "market.id"),
        ("max_ring = 3", "", "market.max_ring"),
        ("max_ring = 3", "max_rings = 3", "market.max_rings"),
        ("delivery = \"immediate\"", "delivery = \"soon\"", "market.delivery"),
        ("lo = \"1/10\"", "lo = \"2/20\"", "market.band.lo"),
        ("agents = 24", "agents = 0", "synthetic"),
        ("agents = 24", "agents = -1", "synthetic.agents"),
        ("gives = [1, 2]", "gives = [2, 1]", "synthetic.gives"),
        ("gives = [1, 2]", "gives = [1, 7]", "synthetic.gives"),
        ("wants = [0, 2]", "wants = [-1, 2]", "synthetic.wants"),
        ("wants = [0, 2]", "wants = [0]", "synthetic.wants"),
        ("quantity = [10, 100]", "quantity = [0, 100]", "synthetic.quantity"),
        ("price = [50, 500]", "price = [0, 500]", "synthetic.price"),
        ("cost_ppm = [50000, 100000]", "cost_ppm = [50000, 1000001]", "synthetic.cost_ppm"),
        ("value_ppm = [100000, 300000]", "value_ppm = [-1, 300000]", "synthetic.value_ppm"),
        ("bounds_ppm = 10000", "bounds_ppm = 1000001", "synthetic.bounds_ppm"),
        ("at_start_ppm = 500000", "at_start_ppm = 1000001", "coming.at_start_ppm"),
        ("leave_ms = [3000, 5000]", "leave_ms = [5000, 3000]", "coming.leave_ms"),
        ("away_ms = [1000, 2000]", "away_ms = [-1, 2000]", "coming.away_ms"),
        ("last = [\"agent-00003\"]", "last = [\"Agent\"]", "coming.last[0]"),
        ("up_to_ppm = 20000", "up_to_ppm = -1", "reservations.up_to_ppm"),
        ("strict_ppm = [400000, 500000]", "strict_ppm = [1, 0]", "reservations.strict_ppm"),
    ] {
        assert!(BAZAAR.contains(good), "{good}");
        assert_eq!(fault(&BAZAAR.replacen(good, bad, 1)), field, "{bad:?}");
    }
    let (market, drawn) = BAZAAR.split_once("[synthetic]").unwrap();
    assert_eq!(fault(market), "table", "nobody is there");
    assert_eq!(fault(&format!("{}[synthetic]{drawn}", countries())), "table", "and not both");
    for (good, bad, field) in [
        ("bounds_ppm = 10000", "bounds_ppm = -1", "table.bounds_ppm"),
        ("cost_ppm = 50000", "cost_ppm = 1000001", "table.spreads.\"low\".cost_ppm"),
        ("value_ppm = 300000", "value_ppm = -1", "table.spreads.\"low\".value_ppm"),
        ("\"20000\"", "\"0\"", "table.prices.\"Potassium chloride\""),
    ] {
        assert_eq!(fault(&countries().replacen(good, bad, 1)), field, "{bad:?}");
    }
    assert!(matches!(Scenario::parse("about = "), Err(ScenarioError::Syntax(_))));
}

#[test]
fn what_only_the_population_shows_is_named_too() {
    for (good, bad, field) in [
        ("band = { lo = \"1/10\", hi = \"10\" }", "band = { lo = \"10\", hi = \"1/10\" }", "market.band"),
        ("max_ring = 3", "max_ring = 1", "market.max_ring"),
        ("clear_every_ms = 500", "clear_every_ms = 0", "market.clear_every_ms"),
        ("last = [\"agent-00003\"]", "last = [\"agent-00024\"]", "coming.last"),
        ("never_strict = [\"agent-00001\"]", "never_strict = [\"nobody\"]", "reservations.never_strict"),
    ] {
        match population(&BAZAAR.replacen(good, bad, 1), 1) {
            Err(ScenarioError::Field { field: found, .. }) => assert_eq!(found, field, "{bad:?}"),
            other => panic!("{bad:?}: {other:?}"),
        }
    }
}

#[test]
fn a_scenario_and_a_seed_are_a_population() {
    let (one, again, other) = (population(BAZAAR, 1), population(BAZAAR, 1), population(BAZAAR, 2));
    let (one, again, other) = (one.unwrap(), again.unwrap(), other.unwrap());
    assert_eq!(one, again);
    assert_ne!(one.market, other.market);
    assert!(one.agents.iter().zip(&other.agents).all(|((_, a), (_, b))| a.seed != b.seed && a.id == b.id));
    assert_eq!(one.agents.len(), 24);
    for (_, plan) in &one.agents {
        assert!((1..=2).contains(&plan.gives.len()) && plan.wants.len() <= 2, "{plan:?}");
        assert!(plan.gives.iter().all(|give| (10..=100).contains(&give.limit.get())));
        assert!(schemas::signature::Signer::from_seed(&plan.seed, crate::fixtures::account(), "a").is_ok());
        crate::maker::admission::check(&one.market, &plan.intent()).unwrap();
    }
}

#[test]
fn one_more_agent_or_another_schedule_changes_no_others_draws() {
    let bare = |population: Population| -> BTreeMap<String, AgentPlan> {
        let bare = |plan: AgentPlan| AgentPlan { schedule: Vec::new(), reserve_ppm: 0, ..plan };
        population.agents.into_iter().map(|(_, plan)| (plan.id.to_string(), bare(plan))).collect()
    };
    let (some, more) = (population(BAZAAR, 1), population(&BAZAAR.replace("agents = 24", "agents = 25"), 1));
    let (some, mut more) = (bare(some.unwrap()), bare(more.unwrap()));
    assert!(more.remove("agent-00024").is_some());
    assert_eq!(some, more);
    let elsewhen = bare(population(&BAZAAR.replace("over_ms = 4000", "over_ms = 9000"), 1).unwrap());
    assert_eq!(some, elsewhen);
}

#[test]
fn everyone_comes_and_some_go_and_come_back() {
    let all = population(BAZAAR, 1).unwrap();
    let (mut at_start, mut away) = (0, 0);
    for (_, plan) in &all.agents {
        let steps: Vec<(u64, Action)> = plan.schedule.iter().map(|step| (step.at_ms, step.action)).collect();
        assert!(steps.is_sorted_by_key(|(at_ms, _)| *at_ms), "{steps:?}");
        match steps[..] {
            [(at_ms, Action::Join)] => at_start += usize::from(at_ms == 0),
            [(joined, Action::Join), (left, Action::Leave), (back, Action::Join)] => {
                away += 1;
                at_start += usize::from(joined == 0);
                assert!(left >= joined + 1_500 && (1_000..=2_000).contains(&(back - left)), "{steps:?}");
            }
            _ => panic!("{steps:?}"),
        }
    }
    assert_eq!((at_start, away), (12, 4));
    let last = &all.agents[3].1;
    assert_eq!((last.id.as_str(), last.schedule[0].at_ms, last.schedule.len()), ("agent-00003", 4_000, 1));
    assert_eq!(all.joins(), 28);
    assert!(all.last_step_ms() >= 4_000);
}

#[test]
fn a_few_keep_more_to_themselves() {
    let all = population(BAZAAR, 1).unwrap();
    let strict: Vec<&AgentPlan> =
        all.agents.iter().map(|(_, plan)| plan).filter(|plan| plan.reserve_ppm >= 400_000).collect();
    assert_eq!(strict.len(), 3);
    assert!(strict.iter().all(|plan| plan.id.as_str() != "agent-00001" && !plan.wants.is_empty()));
    assert!(strict.iter().all(|plan| plan.reserve_ppm <= 500_000));
    assert!(all.agents.iter().filter(|(_, plan)| plan.reserve_ppm <= 20_000).count() == 21);
}

#[test]
fn agents_are_written_in_what_the_scenario_says() {
    let of = |text: &str| -> Vec<Language> {
        population(&BAZAAR.replace("seconds = 20", text), 1).unwrap().agents.iter().map(|(l, _)| *l).collect()
    };
    assert!(of("seconds = 20").iter().all(|language| *language == Language::Rust));
    assert!(of("seconds = 20\nlanguage = \"python\"").iter().all(|language| *language == Language::Python));
    let mixed = of("seconds = 20\nlanguage = \"mixed\"");
    assert_eq!(mixed.iter().filter(|language| **language == Language::Python).count(), 12);
    assert!(!mixed.contains(&Language::Mixed));
}

#[test]
fn a_table_becomes_a_market() {
    let all = of_table(&countries(), TABLE).unwrap();
    let prices: Vec<(String, String)> = all
        .market
        .goods
        .iter()
        .map(|spec| (spec.good.to_string(), spec.reference_price.unwrap().to_string()))
        .collect();
    // Tea: 2,000 dollars for 10.5 + 110.9 + 50.25 + 1.5 + 2.25 tonnes.
    let tea = ("tea".to_owned(), "1000000/877".to_owned());
    assert_eq!(prices, [("potassium-chloride".to_owned(), "20000".to_owned()), tea]);
    let of = |id: &str| &all.agents.iter().find(|(_, plan)| plan.id.as_str() == id).unwrap().1;
    let ken = of("ken");
    assert_eq!((ken.gives[0].good.as_str(), ken.gives[0].limit.get()), ("tea", 100), "110.9 − 10.5, in whole tonnes");
    let wanted = &ken.wants[0].any_of[0];
    assert_eq!((wanted.good.as_str(), wanted.limit.get()), ("potassium-chloride", 40));
    // 20,000 and 30 %, and 1 % on both sides.
    assert_eq!((wanted.value.lo.to_string(), wanted.value.hi.to_string()), ("25740".to_owned(), "26260".to_owned()));
    assert_eq!(of("gha").gives[0].cost.lo.to_string(), "17820", "20,000 less 10 % and 1 %");
    assert!(of("tgo").gives.is_empty() && of("tgo").wants.is_empty(), "three quarters of a tonne are none");
}

#[test]
fn every_wrong_row_is_named() {
    let fault = |good: &str, bad: &str| {
        assert!(TABLE.contains(good), "{good}");
        match of_table(&countries(), &TABLE.replacen(good, bad, 1)) {
            Err(ScenarioError::Row { line, column, .. }) => (line, column),
            Err(ScenarioError::Field { field, .. }) => (0, field),
            other => panic!("{bad:?}: {other:?}"),
        }
    };
    let at = |row: u64, column: &str| (row, column.to_owned());
    assert_eq!(fault("KEN,low,Tea", "K N,low,Tea"), at(3, "iso3"));
    assert_eq!(fault("GHA,high,Tea", "GHA,middle,Tea"), at(5, "income_level"));
    assert_eq!(fault("GHA,high,Tea", "GHA,high,Tea (green)"), at(5, "commodity"));
    assert_eq!(fault("GHA,high,Tea", "KEN,low,Tea"), at(5, "commodity"));
    assert_eq!(fault("GHA,high,Tea,tonne", "GHA,high,Tea,kg"), at(5, "unit"));
    assert_eq!(fault("10.5", "ten"), at(3, "imports_qty"));
    assert_eq!(fault("110.9", "-1"), at(3, "exports_qty"));
    assert_eq!(fault(",100,", ",1e2,"), at(3, "imports_usd"));
    assert_eq!(fault("1200", "1.2.3"), at(3, "exports_usd"));
    assert_eq!(fault("iso3", "country"), at(3, "all"));
    assert_eq!(fault("Potassium chloride", "Tin"), at(0, "table.prices.\"Tin\""));
}

#[test]
fn prices_come_from_the_table_or_from_the_scenario_and_not_from_both() {
    let fault = |scenario: String, table: &str| match of_table(&scenario, table) {
        Err(ScenarioError::Field { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    let none = countries().replace("\"Potassium chloride\" = \"20000\"", "");
    assert_eq!(fault(none, TABLE), "table.prices.\"Potassium chloride\"");
    let both = format!("{}\nTea = \"5\"\n", countries());
    assert_eq!(fault(both, TABLE), "table.prices.\"Tea\"");
    let unknown = format!("{}\nCoffee = \"5\"\n", countries());
    assert_eq!(fault(unknown, TABLE), "table.prices.\"Coffee\"");
}

#[test]
fn a_table_that_is_not_there_is_asked_for() {
    let bare = Scenario::parse(&countries().replace("csv = \"trade.csv\"\n", "")).unwrap();
    assert!(matches!(bare.population(1, Path::new("."), None), Err(ScenarioError::NoData)));
    let lost = Scenario::parse(&countries()).unwrap().population(1, Path::new("/nowhere"), None);
    assert!(matches!(lost, Err(ScenarioError::Unreadable { path, .. }) if path.contains("trade.csv")));
    assert!(matches!(Scenario::load(Path::new("/nowhere.toml")), Err(ScenarioError::Unreadable { .. })));
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("own.csv");
    std::fs::write(&own, TABLE).unwrap();
    assert_eq!(bare.population(1, Path::new("."), Some(&own)).unwrap().agents.len(), 3, "--data");
}
