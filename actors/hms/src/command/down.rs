//! `hms down`: ends what `hms up` began.

use std::{
    thread,
    time::{Duration, Instant},
};

use clap::Args;

use crate::{
    bus::DirArgs,
    exit::{Exit, OrExit, Outcome, Stop},
    local::{self, LocalBus},
    output,
};

/// Stop the bus that `hms up` runs from DIR, and wait until it is gone
///
/// It drains: what was admitted is answered, nothing more is taken. What the broker stored stays in DIR.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  hms down --dir .hms")]
pub struct Down {
    #[command(flatten)]
    dir: DirArgs,
    /// How long it may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    within: u64,
}

impl Down {
    pub fn run(self) -> Outcome {
        let dir = &self.dir.dir;
        let Some(bus) = LocalBus::read(dir) else {
            return Err(Stop::say(Exit::NoBus, format_args!("no bus runs from {}", dir.display())));
        };
        let (pid, what) = match (bus.is_running(), bus.orphan()) {
            (true, _) => (bus.pid, "the bus"),
            // The cores were killed and left their broker behind.
            (false, Some(broker)) => (broker, "the broker that was left"),
            (false, None) => {
                local::forget(dir).or_exit(Exit::Bad)?;
                return Err(Stop::say(
                    Exit::NoBus,
                    format_args!("the bus that ran from {} is gone already", dir.display()),
                ));
            }
        };
        local::terminate(pid).or_exit(Exit::Bad)?;
        let deadline = Instant::now() + Duration::from_secs(self.within);
        while bus.is_running() || bus.orphan() == Some(pid) {
            if Instant::now() >= deadline {
                return Err(Stop::say(
                    Exit::Bad,
                    format_args!("{what} (process {pid}) still runs after {} s", self.within),
                ));
            }
            thread::sleep(Duration::from_millis(50));
        }
        if LocalBus::read(dir).as_ref() == Some(&bus) {
            local::forget(dir).or_exit(Exit::Bad)?;
        }
        output::line(format_args!("stopped {what} at {}", bus.url))
    }
}
