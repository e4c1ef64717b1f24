//! Weather strikes, as often as it says and the same each time; and in calm weather the laws of the port hold.

use std::sync::Mutex as StdMutex;

use futures::StreamExt;
use schemas::stream;

use super::*;
use crate::{
    port::{Followed, Port, Standing, Start},
    simulate,
};

const EPOCH_UNIX_MS: i64 = 1_795_334_400_000;

#[derive(Clone, Default)]
struct Notes(Arc<StdMutex<Vec<String>>>);

impl Observer for Notes {
    fn notice(&mut self, at_unix_ms: i64, process: &str, notice: Notice<'_>) {
        let what = match notice {
            Notice::Struck { fault, .. } => format!("{} strikes", fault.name()),
            Notice::Stored { record, .. } => format!("{} is stored", record.sequence),
            Notice::Gone { sequence, .. } => format!("{sequence} is gone"),
            Notice::Asked { .. } | Notice::Answered { .. } => return,
        };
        self.0.lock().unwrap().push(format!("{} {process} {what}", at_unix_ms - EPOCH_UNIX_MS));
    }
}

async fn over(odds: Odds, flaws: Flaws, seed: u64) -> (Weather, Notes) {
    let bus = Memory::new(EPOCH_UNIX_MS);
    for spec in stream::streams(1).iter().chain(&stream::buckets(1)) {
        bus.ensure_stream(spec).await.unwrap();
    }
    let notes = Notes::default();
    let climate = Climate { seed, odds, latency_ms: 5, skew_ms: 0, only: None, flaws };
    (Weather::over(bus, climate, Box::new(notes.clone())), notes)
}

fn log() -> String {
    schemas::subject::ledger_log(&"count".parse().unwrap())
}

fn record(last: u64) -> Vec<Record> {
    vec![Record::new(log(), "entry").expecting(last)]
}

#[test]
fn in_calm_weather_the_laws_hold() {
    simulate(async {
        let bus = Memory::new(EPOCH_UNIX_MS);
        let climate =
            Climate { seed: 1, odds: Odds::bad(), latency_ms: 0, skew_ms: 0, only: None, flaws: Flaws::default() };
        let weather = Weather::over(bus, climate, Box::new(Notes::default()));
        let process = weather.process("one", true);
        crate::port::laws::hold(Arc::new(weather.expose(process))).await;
        assert!(weather.struck().is_empty() && weather.steps() > 100);
    })
    .unwrap();
}

/// Appends a hundred times, comes back whenever it dies, and says what happened.
fn bad_day(seed: u64, only: Option<BTreeSet<FaultId>>) -> Vec<String> {
    simulate(async {
        let (weather, notes) = over(Odds::bad().scaled(3_000, |_| true), Flaws::default(), seed).await;
        let weather = match only {
            None => weather,
            Some(only) => {
                let climate = Climate { only: Some(only), ..weather.0.climate.clone() };
                Weather::over(weather.0.bus.clone(), climate, Box::new(notes.clone()))
            }
        };
        let process = weather.process("writer", true);
        weather.be(false);
        let mut port = weather.expose(process);
        for _ in 0..100 {
            let append = async {
                let last = port.last(stream::DEALS, &log()).await.unwrap_or_default().map_or(0, |last| last.sequence);
                port.append(stream::DEALS, record(last)).await.is_ok()
            };
            let died = tokio::select! {
                biased;
                () = port.over() => true,
                _ = append => false,
            };
            if died {
                port = weather.expose(process);
            }
        }
        notes.0.lock().unwrap().clone()
    })
    .unwrap()
}

#[test]
fn bad_weather_is_the_same_each_time() {
    let day = bad_day(7, None);
    assert_eq!(day, bad_day(7, None));
    assert_ne!(day, bad_day(8, None));
    for fault in ["lost", "answer_lost", "late", "torn", "refused", "stale", "dies_before", "dies_after"] {
        assert!(day.iter().any(|note| note.ends_with(&format!("{fault} strikes"))), "no {fault} in {day:#?}");
    }
    let none = bad_day(7, Some(BTreeSet::new()));
    assert_eq!(none.len(), 100, "a hundred records and no fault: {none:#?}");
}

#[test]
fn who_is_dead_does_and_hears_nothing_and_its_office_passes_on() {
    simulate(async {
        let (weather, _) = over(Odds::default(), Flaws::default(), 1).await;
        let (first, second) = (weather.process("first", true), weather.process("second", true));
        let (one, other) = (weather.expose(first), weather.expose(second));
        let office = crate::port::OfficeSpec {
            name: "count".to_owned(),
            stream: stream::DEALS.to_owned(),
            token: log(),
            timeout_ms: 3_000,
        };
        let mut holds = one.stand(&office).await.unwrap();
        let mut waits = other.stand(&office).await.unwrap();
        assert_eq!(holds.next().await, Some(Standing::Holds));
        assert_eq!(waits.next().await, Some(Standing::Waits));
        let mut heard = one.subscribe("a.b", Some("queue")).await.unwrap();
        let dead = tokio::spawn({
            let one = one.clone();
            async move {
                one.sleep_ms(10).await;
                one.append(stream::DEALS, record(0)).await
            }
        });
        weather.kill(first);
        assert!(!weather.lives(first) && weather.lives(second));
        let late = tokio::time::timeout(Duration::from_secs(60), heard.next()).await;
        assert!(late.is_err(), "nothing is heard any more, not even an end");
        assert!(!dead.is_finished(), "it stands still");
        assert_eq!(other.last(stream::DEALS, &log()).await.unwrap(), None);
        let elected = tokio::time::timeout(Duration::from_secs(4), waits.next()).await.unwrap();
        assert_eq!(elected, Some(Standing::Holds));
        // Who is deposed and doesn't know hears of it later, and stands again.
        let mut again = weather.expose(first).stand(&office).await.unwrap();
        assert_eq!(again.next().await, Some(Standing::Waits));
        let begun = Instant::now();
        weather.depose(second, 2_000);
        assert_eq!(again.next().await, Some(Standing::Holds));
        assert!(begun.elapsed() < Duration::from_secs(1));
        assert_eq!(waits.next().await, Some(Standing::Waits));
        assert!(begun.elapsed() >= Duration::from_secs(2));
    })
    .unwrap();
}

#[test]
fn a_lazy_disk_loses_what_was_acknowledged_and_a_good_one_nothing() {
    for (syncs_every_ms, left) in [(0, 3), (1_000, 2)] {
        simulate(async {
            let flaws = Flaws { syncs_every_ms, ..Flaws::default() };
            let (weather, notes) = over(Odds::default(), flaws, 1).await;
            let process = weather.process("writer", true);
            let port = weather.expose(process);
            let mut last = 0;
            for _ in 0..2 {
                last = port.append(stream::DEALS, record(last)).await.unwrap().remove(0);
            }
            weather.sync();
            port.append(stream::DEALS, record(last)).await.unwrap();
            weather.cut_power();
            let port = weather.expose(process);
            let kept = port.read(stream::DEALS, &log(), 0).await.unwrap();
            assert_eq!(kept.len(), left);
            let last = kept.last().unwrap().sequence;
            assert_eq!(port.append(stream::DEALS, record(last)).await.unwrap(), [last + 1], "it goes on from there");
            let is_gone = notes.0.lock().unwrap().iter().any(|note| note.ends_with("3 is gone"));
            assert_eq!(is_gone, left == 2);
        })
        .unwrap();
    }
}

#[test]
fn who_is_cut_off_reaches_nobody_and_follows_on_when_it_is_back() {
    simulate(async {
        let (weather, _) = over(Odds::default(), Flaws::default(), 1).await;
        let (far, near) = (weather.process("far", true), weather.process("near", true));
        let (away, here) = (weather.expose(far), weather.expose(near));
        let mut followed = away.follow(stream::DEALS, &[log()], Start::All).await.unwrap();
        assert_eq!(followed.next().await, Some(Followed::CaughtUp));
        weather.cut_off(far, 7_000);
        let begun = Instant::now();
        let sequences = here.append(stream::DEALS, record(0)).await.unwrap();
        assert_eq!(away.append(stream::DEALS, record(1)).await, Err(AppendError::TimedOut(TIMEOUT_MS)));
        let asked = away.request(Message::new("a.b", ""), 500).await;
        assert_eq!(asked, Err(RequestError::TimedOut(500)), "nobody says that nobody is there");
        let Some(Followed::Entry(stored)) = followed.next().await else { panic!("no entry") };
        assert_eq!(vec![stored.sequence], sequences);
        assert!(begun.elapsed() >= Duration::from_secs(7));
    })
    .unwrap();
}
