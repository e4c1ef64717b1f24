//! How a command ends: a number for scripts, and a line for people.

use std::io;

use runtime::{
    nats::ConnectError,
    port::{AppendError, ProvisionError, PublishError, ReadError, RequestError},
};

use crate::keystore::KeyError;

/// The exit codes, fixed once for every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Good,
    /// The thing asked about is bad: a refusal, a failed verification, something that is not there.
    Bad,
    /// What was given cannot be read.
    Input,
    /// Of `hms prove` alone: neither proved nor refuted.
    Undecided,
    /// Of `hms prove` alone, whose verdicts take 0 to 2: the claim cannot be read.
    Unreadable,
    /// Wrong usage.
    Usage,
    /// No bus, or nobody on it who answers.
    NoBus,
}

impl Exit {
    /// The number that the process ends with.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Bad => 1,
            Self::Input | Self::Undecided => 2,
            Self::Unreadable => 3,
            Self::Usage => 64,
            Self::NoBus => 69,
        }
    }
}

/// Why a command stops before its end.
#[derive(Debug)]
pub struct Stop {
    /// The process's exit code.
    pub exit: Exit,
    /// What to say on standard error; nothing when all has been said.
    pub error: Option<anyhow::Error>,
}

/// What a command comes to.
pub type Outcome<T = ()> = Result<T, Stop>;

impl Stop {
    /// Stops with a line on standard error.
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: Some(error.into()) }
    }

    /// Stops with this line on standard error.
    pub fn say(exit: Exit, line: impl std::fmt::Display) -> Self {
        Self::new(exit, anyhow::Error::msg(line.to_string()))
    }

    /// Stops without another word.
    #[must_use]
    pub const fn silent(exit: Exit) -> Self {
        Self { exit, error: None }
    }

    /// The same, saying first what was being done.
    #[must_use]
    pub fn while_doing(mut self, what: impl std::fmt::Display) -> Self {
        self.error = self.error.map(|error| error.context(what.to_string()));
        self
    }
}

/// Gives an error its exit code.
pub trait OrExit<T> {
    /// Stops with `exit` when this is an error.
    ///
    /// # Errors
    /// The error itself.
    fn or_exit(self, exit: Exit) -> Outcome<T>;
}

impl<T, E: Into<anyhow::Error>> OrExit<T> for Result<T, E> {
    fn or_exit(self, exit: Exit) -> Outcome<T> {
        self.map_err(|error| Stop::new(exit, error))
    }
}

/// Standard output that nobody reads any more is no fault of ours.
pub fn of_output(error: io::Error) -> Stop {
    if error.kind() == io::ErrorKind::BrokenPipe { Stop::silent(Exit::Good) } else { Stop::new(Exit::Bad, error) }
}

impl From<ConnectError> for Stop {
    fn from(error: ConnectError) -> Self {
        let exit = match error {
            ConnectError::Context { .. } | ConnectError::Credentials(_) => Exit::Input,
            _ => Exit::NoBus,
        };
        Self::new(exit, error)
    }
}

impl From<KeyError> for Stop {
    fn from(error: KeyError) -> Self {
        let exit = match error {
            KeyError::Missing { .. } | KeyError::Exists { .. } => Exit::Bad,
            KeyError::File { .. } | KeyError::NoSeed { .. } => Exit::Input,
        };
        Self::new(exit, error)
    }
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        let is_missing = matches!(error, ReadError::Unavailable(_));
        let stop = Self::new(Exit::NoBus, error);
        if is_missing { stop.while_doing("no bus of ours is here; `hms provision` makes its streams") } else { stop }
    }
}

impl From<AppendError> for Stop {
    fn from(error: AppendError) -> Self {
        let exit = match error {
            AppendError::Conflict => Exit::Bad,
            AppendError::TooLarge => Exit::Input,
            _ => Exit::NoBus,
        };
        Self::new(exit, error)
    }
}

impl From<PublishError> for Stop {
    fn from(error: PublishError) -> Self {
        let exit = if error == PublishError::Disconnected { Exit::NoBus } else { Exit::Input };
        Self::new(exit, error)
    }
}

impl From<RequestError> for Stop {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Refused { .. } => Self::new(Exit::Bad, error),
            RequestError::NotSent(error) => error.into(),
            error => Self::new(Exit::NoBus, error),
        }
    }
}

impl From<ProvisionError> for Stop {
    fn from(error: ProvisionError) -> Self {
        let exit = if error == ProvisionError::Unavailable { Exit::NoBus } else { Exit::Bad };
        Self::new(exit, error)
    }
}
