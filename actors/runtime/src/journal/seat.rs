//! A seat: a fenced writer and its service, of which one in a house is at work and the others stand by.
//!
//! While the seat holds its office, the writer writes and the service answers; otherwise the writer follows the log and
//! the service isn't there. So a request finds the holder, or nobody. A writer that panics is built anew, from its
//! snapshot and log; whoever waited for it is answered 500.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, future::BoxFuture};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};

use super::{FencedHandle, HostError, Keeper};
use crate::{
    port::{Candidacy, OfficeSpec, Port, ReadError, Standing},
    service::{Running, Service, StartError},
};

/// How long a holder answers what it was asked when it loses its office, in milliseconds.
const LOST_MS: u64 = 1_000;
/// How long a service that cannot be started waits until it is tried again, in milliseconds.
const AGAIN_MS: u64 = 500;

/// A seat at work or standing by. Dropped, it ends at once and the office's time-out passes it on; [`Seat::drain`] hands
/// it over.
pub struct Seat {
    end: Option<oneshot::Sender<u64>>,
    work: JoinHandle<bool>,
}

struct Sitter<F: Keeper, H, S> {
    port: Arc<dyn Port>,
    office: OfficeSpec,
    writer: FencedHandle<F>,
    hire: H,
    service: S,
    running: Option<Running>,
    known: watch::Sender<bool>,
}

/// A writer to be, for a seat whose last one is gone.
pub type Hiring<F> = BoxFuture<'static, Result<FencedHandle<F>, HostError>>;

/// Why a seat was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SeatError {
    /// There is no writer.
    #[error(transparent)]
    Host(#[from] HostError),
    /// One cannot stand for the office.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Seat {
    /// Stands for an office with the writer that `hire` starts, and waits until it is held or surely another's. The
    /// service that `service` makes is started whenever the office is won, and drained when it is lost.
    ///
    /// # Errors
    /// When there is no writer, or one cannot stand for the office.
    pub async fn take<F: Keeper>(
        port: Arc<dyn Port>,
        office: OfficeSpec,
        hire: impl Fn() -> Hiring<F> + 'static,
        service: impl Fn(&FencedHandle<F>) -> Service + 'static,
    ) -> Result<Self, SeatError> {
        let writer = hire().await?;
        let candidacy = port.stand(&office).await?;
        let (end, ended) = oneshot::channel();
        let (known, mut holds) = watch::channel(false);
        // An office whose holder has just died is passed on after its time-out.
        let patience_ms = office.timeout_ms.saturating_mul(2);
        let sitter = Sitter { port: port.clone(), office, writer, hire, service, running: None, known };
        // On this thread, where the actor system is that services are started in.
        let work = actix::spawn(sitter.sit(candidacy, ended));
        tokio::select! {
            biased;
            _ = holds.wait_for(|holds| *holds) => {}
            () = port.sleep_ms(patience_ms) => {}
        }
        Ok(Self { end: Some(end), work })
    }

    /// Stops taking requests, answers what was admitted, and lets another have the office. Says whether all was answered
    /// within `timeout_ms`.
    pub async fn drain(mut self, timeout_ms: u64) -> bool {
        let told = self.end.take().is_some_and(|end| end.send(timeout_ms).is_ok());
        let limit = Duration::from_millis(timeout_ms.saturating_mul(2));
        told && matches!(tokio::time::timeout(limit, &mut self.work).await, Ok(Ok(true)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.work.abort();
    }
}

impl<F, H, S> Sitter<F, H, S>
where
    F: Keeper,
    H: Fn() -> Hiring<F>,
    S: Fn(&FencedHandle<F>) -> Service,
{
    async fn sit(mut self, mut candidacy: Candidacy, mut ended: oneshot::Receiver<u64>) -> bool {
        let mut holds = false;
        loop {
            let writer = self.writer.clone();
            tokio::select! {
                biased;
                timeout_ms = &mut ended => {
                    drop(candidacy);
                    let was_holding = self.running.is_some();
                    let drained = self.stand_down(timeout_ms.unwrap_or(LOST_MS)).await;
                    if was_holding {
                        self.port.leave(&self.office).await;
                    }
                    return drained;
                }
                standing = candidacy.next() => match standing {
                    Some(standing) => holds = standing == Standing::Holds,
                    None => return self.stand_down(LOST_MS).await,
                },
                () = writer.gone() => self.hire_again().await,
            }
            if holds {
                while let Err(error) = self.stand_up().await {
                    tracing::error!(office = self.office.name, %error, "the office is held and its service not started");
                    self.port.sleep_ms(AGAIN_MS).await;
                }
            } else {
                self.stand_down(LOST_MS).await;
            }
        }
    }

    /// Puts another writer in the place of one that panicked.
    async fn hire_again(&mut self) {
        tracing::error!(office = self.office.name, "the writer panicked; built anew");
        self.stand_down(LOST_MS).await;
        loop {
            self.port.sleep_ms(AGAIN_MS).await;
            match (self.hire)().await {
                Ok(writer) => {
                    self.writer = writer;
                    return;
                }
                Err(error) => tracing::error!(office = self.office.name, %error, "no other writer"),
            }
        }
    }

    async fn stand_up(&mut self) -> Result<(), StartError> {
        self.writer.hold(true).await;
        if self.running.is_none() {
            tracing::info!(office = self.office.name, "elected");
            self.running = Some((self.service)(&self.writer).start(self.port.clone()).await?);
        }
        self.known.send_replace(true);
        Ok(())
    }

    async fn stand_down(&mut self, timeout_ms: u64) -> bool {
        let drained = match self.running.take() {
            Some(running) => {
                tracing::info!(office = self.office.name, "the office is given up");
                running.drain(timeout_ms).await
            }
            None => true,
        };
        self.writer.hold(false).await;
        drained
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use async_trait::async_trait;
    use futures::FutureExt;
    use nkeys::KeyPair;
    use schemas::{
        ErrorReply,
        core::{Answer as Answered, Call, Fenced, Planned},
        keyring::LogRecord,
        signature::{PublicKey, Signer},
        stream, subject,
    };

    use super::*;
    use crate::{
        journal::FencedHost,
        memory::Memory,
        port::{Message, Record, RequestError},
        service::{Answer, EndpointSpec, Handler, Limits},
        simulate,
    };

    /// How many entries all the counters of this test were shown.
    static SHOWN: AtomicUsize = AtomicUsize::new(0);

    /// Counts: each ask writes the next number.
    #[derive(Default)]
    struct Counter {
        count: u64,
        last: u64,
        asked: Vec<u64>,
        flight: Vec<u64>,
        own: Vec<u64>,
        answers: Vec<(u64, Answered)>,
    }

    fn log() -> String {
        subject::ledger_log(&"count".parse().unwrap())
    }

    impl Fenced for Counter {
        type Ask = ();
        const STREAM: &'static str = stream::DEALS;

        fn filters() -> Vec<String> {
            vec![log()]
        }

        fn observe(&mut self, entry: &LogRecord) {
            SHOWN.fetch_add(1, Relaxed);
            if self.own.first() == Some(&entry.sequence) {
                self.own.remove(0);
                return;
            }
            let number = u64::from_be_bytes(entry.body.clone().try_into().unwrap());
            assert_eq!(number, self.count, "the next number, once");
            self.count += 1;
            self.last = entry.sequence;
        }

        fn ask(&mut self, number: u64, (): (), call: &Call) {
            assert!(call.traceparent.as_deref() != Some("panic"), "as told");
            self.asked.push(number);
        }

        fn plan(&mut self, _: i64) -> Vec<Planned> {
            self.flight = std::mem::take(&mut self.asked);
            let numbers = (self.count..).take(self.flight.len());
            let plan = |(index, number): (usize, u64)| Planned {
                subject: log(),
                kind: "count",
                body: number.to_be_bytes().to_vec(),
                expect: (index == 0).then_some(self.last),
                signed: true,
                trace: None,
            };
            numbers.enumerate().map(plan).collect()
        }

        fn written(&mut self, sequences: &[u64]) {
            for (asked, sequence) in std::mem::take(&mut self.flight).into_iter().zip(sequences) {
                self.answers.push((asked, Ok(("count", self.count.to_string().into_bytes()))));
                self.count += 1;
                self.last = *sequence;
                self.own.push(*sequence);
            }
        }

        fn lost(&mut self) {
            self.asked.append(&mut self.flight);
        }

        fn snapshot(&self) -> Option<Vec<Vec<u8>>> {
            let state = [self.count.to_be_bytes(), self.last.to_be_bytes()].map(Vec::from);
            (self.own.is_empty() && self.flight.is_empty()).then(|| state.into())
        }

        fn restore(pieces: &[Vec<u8>]) -> Result<Self, String> {
            let number = |at: usize| {
                let piece = pieces.get(at).and_then(|piece| piece.clone().try_into().ok());
                piece.map(u64::from_be_bytes).ok_or("no number")
            };
            Ok(Self { count: number(0)?, last: number(1)?, ..Self::default() })
        }

        fn complaints(&mut self) -> Vec<String> {
            Vec::new()
        }

        fn answers(&mut self) -> Vec<(u64, Answered)> {
            std::mem::take(&mut self.answers)
        }
    }

    struct Desk(FencedHandle<Counter>);

    #[async_trait]
    impl Handler for Desk {
        async fn answer(&self, message: Message, call: Call) -> Result<Answer, ErrorReply> {
            let call = Call { traceparent: (message.body == "panic").then(|| "panic".to_owned()), ..call };
            let (_, body) = self.0.ask((), call).await?;
            Ok(Answer { body: body.into(), ..Answer::default() })
        }
    }

    async fn sit(port: &Arc<dyn Port>, signer: Signer) -> Seat {
        let office =
            OfficeSpec { name: "count".to_owned(), stream: stream::DEALS.to_owned(), token: log(), timeout_ms: 1_000 };
        let (own, signer) = (Arc::clone(port), Arc::new(signer));
        let hire = move || -> Hiring<Counter> {
            FencedHost::start(Counter::default(), Arc::clone(&own), Arc::clone(&signer), 10).boxed()
        };
        let service = |writer: &FencedHandle<Counter>| {
            let desk = writer.clone();
            Service::new("count", "1.0.0").handler(
                [EndpointSpec::new("next", subject::endpoint("count", "next"))],
                Limits::default(),
                move || Desk(desk.clone()),
            )
        };
        Seat::take(Arc::clone(port), office, hire, service).await.unwrap()
    }

    async fn next(port: &Arc<dyn Port>) -> Result<u64, RequestError> {
        ask(port, "").await
    }

    async fn ask(port: &Arc<dyn Port>, body: &'static str) -> Result<u64, RequestError> {
        let reply = port.request(Message::new(subject::endpoint("count", "next"), body), 5_000).await?;
        Ok(std::str::from_utf8(&reply.body).unwrap().parse().unwrap())
    }

    #[test]
    fn of_several_one_writes_another_takes_over_and_a_late_one_begins_with_the_snapshot() {
        simulate(async {
            let port: Arc<dyn Port> = Arc::new(Memory::new(1_700_000_000_000));
            for spec in stream::streams(1) {
                port.ensure_stream(&spec).await.unwrap();
            }
            let account: PublicKey = KeyPair::new_account().public_key().parse().unwrap();
            let seed = KeyPair::new_user().seed().unwrap();
            let signer = || Signer::from_seed(&seed, account.clone(), "count").unwrap();
            let first = sit(&port, signer()).await;
            let second = sit(&port, signer()).await;
            for n in 0..25 {
                assert_eq!(next(&port).await, Ok(n));
            }
            // Gone without a word, as when it is killed.
            drop(first);
            port.sleep_ms(100).await;
            for n in 25..30 {
                assert_eq!(next(&port).await, Ok(n), "the one that stood by goes on");
            }
            port.sleep_ms(1_000).await;
            let shown = SHOWN.load(Relaxed);
            let third = sit(&port, signer()).await;
            port.sleep_ms(100).await;
            let read = SHOWN.load(Relaxed) - shown;
            assert!(read < 10, "it read the rest of the log only: {read}");
            // A pointer that says what is not so is passed over, and the log read from its beginning.
            let core = "count".parse().unwrap();
            let forged = port.last(stream::SNAPSHOTS, &subject::snapshot(&core)).await.unwrap().unwrap();
            let forged = Record::new(forged.subject, forged.body).with_headers(schemas::header::Headers::new());
            port.append(stream::SNAPSHOTS, vec![forged]).await.unwrap();
            let shown = SHOWN.load(Relaxed);
            let fourth = sit(&port, signer()).await;
            port.sleep_ms(100).await;
            assert_eq!(SHOWN.load(Relaxed) - shown, 30);
            assert!(second.drain(5_000).await, "handed over");
            for n in 30..33 {
                assert_eq!(next(&port).await, Ok(n));
            }
            // A writer that panics answers 500, and is built anew from snapshot and log.
            let panicked = ask(&port, "panic").await;
            assert!(matches!(panicked, Err(RequestError::Refused { code: 500, .. })), "{panicked:?}");
            port.sleep_ms(3_000).await;
            for n in 33..36 {
                assert_eq!(next(&port).await, Ok(n));
            }
            drop((third, fourth));
            port.sleep_ms(100).await;
            assert!(matches!(next(&port).await, Err(RequestError::NoResponders(_))), "nobody is left");
        })
        .unwrap();
    }
}
