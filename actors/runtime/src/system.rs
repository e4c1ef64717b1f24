//! Starting, and being told to stop.

use std::{future::Future, io};

use actix::System;

/// Runs a program: an actor system on a runtime with several threads, until `main` is done.
///
/// `main` runs on the system's own thread, where services and hosts are started. Whoever wants to end gracefully
/// awaits [`interrupted`] in it, drains, and returns.
///
/// # Errors
/// When the runtime cannot be built.
pub fn run<F: Future>(main: F) -> io::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let system = System::with_tokio_rt(move || runtime);
    Ok(system.block_on(main))
}

/// Runs `main` on one thread and on a clock that stands still while anything can be done and jumps ahead when
/// everything waits: an hour passes in milliseconds, in the same order each time.
///
/// # Errors
/// When the runtime cannot be built.
pub fn simulate<F: Future>(main: F) -> io::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    let system = System::with_tokio_rt(move || runtime);
    Ok(system.block_on(main))
}

/// Lets a future run beside everything else, to its end.
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

/// The same, unless nothing runs any more: for what is done when something is dropped, perhaps at a program's end.
pub fn spawn_if_running(task: impl Future<Output = ()> + Send + 'static) {
    if let Ok(running) = tokio::runtime::Handle::try_current() {
        running.spawn(task);
    }
}

/// Waits for the first SIGINT or SIGTERM.
///
/// # Errors
/// When the signals cannot be listened to.
pub async fn interrupted() -> io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! {
            _ = interrupt.recv() => tracing::info!("interrupted"),
            _ = terminate.recv() => tracing::info!("told to end"),
        }
        Ok(())
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn an_hour_passes_at_once() {
        let begun = Instant::now();
        let slept = simulate(async {
            let from = tokio::time::Instant::now();
            tokio::time::sleep(Duration::from_secs(3_600)).await;
            from.elapsed()
        });
        assert_eq!(slept.unwrap(), Duration::from_secs(3_600));
        assert!(begun.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_signal_ends_the_wait() {
        run(async {
            let waiting = tokio::spawn(interrupted());
            tokio::time::sleep(Duration::from_millis(50)).await;
            let process = std::process::id().to_string();
            assert!(std::process::Command::new("kill").args(["-TERM", &process]).status().unwrap().success());
            waiting.await.unwrap().unwrap();
        })
        .unwrap();
    }
}
