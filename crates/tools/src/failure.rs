//! How a tool ends when it does not end well.

use crate::tool::Tool;

/// Why a tool stops. What is printed for it, and the exit code, are in [`crate::tool`].
#[derive(Debug)]
pub enum Failure {
    /// Message and help on the error output, code 1: Kafka's `CommandLineUtils.printUsageAndExit`.
    Usage {
        /// Whose help.
        tool: &'static Tool,
        /// What is wrong.
        message: String,
    },
    /// argparse4j's answer to a command line: synopsis and message on the error output.
    Syntax {
        /// Synopsis, message and suggestions, ready to print.
        text: String,
        /// The exit code.
        code: i32,
    },
    /// Help was asked for, on the normal output.
    Help {
        /// The help.
        text: String,
        /// The exit code.
        code: i32,
    },
    /// The version was asked for.
    Version,
    /// A message on the error output, then this code.
    Message {
        /// The message, without a line end.
        message: String,
        /// The exit code.
        code: i32,
    },
    /// What Java's tool would have thrown: its message on the error output, code 1.
    Exception {
        /// Java's class, where messages of other exceptions show it.
        class: &'static str,
        /// Its message.
        message: String,
    },
    /// Everything was said.
    Exit(i32),
}

impl Failure {
    /// A message on the error output, code 1.
    pub fn message(message: impl Into<String>) -> Self {
        Failure::Message { message: message.into(), code: 1 }
    }

    /// What Java's tool would have thrown.
    pub fn exception(class: &'static str, message: impl Into<String>) -> Self {
        Failure::Exception { class, message: message.into() }
    }

    /// `IllegalArgumentException`.
    pub fn illegal_argument(message: impl Into<String>) -> Self {
        Self::exception("java.lang.IllegalArgumentException", message)
    }

    /// `RuntimeException`.
    pub fn runtime(message: impl Into<String>) -> Self {
        Self::exception("java.lang.RuntimeException", message)
    }

    /// A client's error as Java's `Future.get` throws it: an `ExecutionException` around it.
    pub fn in_future(error: ottla_client::Error) -> Self {
        Self::exception("java.util.concurrent.ExecutionException", Self::from(error).with_class())
    }

    /// Likewise, in a `RuntimeException`.
    pub fn wrapped(error: ottla_client::Error) -> Self {
        Self::runtime(Self::in_future(error).with_class())
    }

    /// What Java's `getMessage` gives.
    pub fn text(&self) -> &str {
        match self {
            Failure::Usage { message, .. }
            | Failure::Message { message, .. }
            | Failure::Exception { message, .. } => message,
            Failure::Syntax { text, .. } | Failure::Help { text, .. } => text,
            Failure::Version | Failure::Exit(_) => "",
        }
    }

    /// What Java's `toString` gives, which is also the message of an `ExecutionException` around it.
    pub fn with_class(&self) -> String {
        match self {
            Failure::Exception { class, message } if !class.is_empty() => format!("{class}: {message}"),
            other => other.text().to_owned(),
        }
    }

    /// Whether the tool means to end so: not an error that a tool's own `catch` would see.
    pub fn is_exit(&self) -> bool {
        !matches!(self, Failure::Exception { .. })
    }
}

impl From<ottla_client::Error> for Failure {
    fn from(error: ottla_client::Error) -> Self {
        Failure::Exception { class: crate::java::exception_of(&error), message: error.to_string() }
    }
}
