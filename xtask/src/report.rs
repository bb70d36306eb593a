//! What a check found: each finding says where, what is wrong and what to do.

use std::fmt;

use crate::cli::{Failure, Outcome};

/// One thing that a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Relative to the root of the workspace, with `/` between the parts.
    pub path: String,
    /// Counted from 1; 1 also where the finding is about the file as a whole.
    pub line: usize,
    /// What is wrong; what to do.
    pub message: String,
    /// A warning is shown and does not fail the check.
    pub warning: bool,
}

impl Finding {
    /// A finding that fails the check.
    pub fn error(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into(), warning: false }
    }

    /// A finding that is only shown.
    pub fn warning(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { warning: true, ..Self::error(path, line, message) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.warning { "warning: " } else { "" };
        write!(f, "{}:{}: {kind}{}", self.path, self.line, self.message)
    }
}

/// Prints the findings of `check`, and fails if one of them is not a warning.
pub fn conclude(check: &str, findings: &[Finding]) -> Outcome {
    for finding in findings {
        println!("{finding}");
    }
    match findings.iter().filter(|finding| !finding.warning).count() {
        0 => Ok(()),
        1 => Err(Failure::Failed(format!("{check}: 1 finding"))),
        errors => Err(Failure::Failed(format!("{check}: {errors} findings"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_does_not_fail_the_check() {
        let warning = Finding::warning("a.rs", 1, "is long; split it");
        let error = Finding::error("b.rs", 7, "is wrong; mend it");
        assert!(conclude("check", std::slice::from_ref(&warning)).is_ok());
        assert!(conclude("check", &[warning.clone(), error.clone()]).is_err());
        assert_eq!(warning.to_string(), "a.rs:1: warning: is long; split it");
        assert_eq!(error.to_string(), "b.rs:7: is wrong; mend it");
    }
}
