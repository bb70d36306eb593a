//! `ExceptionGroup`: several errors as one.

use std::error::Error;
use std::fmt;

/// The errors of a task group, in the order in which they came.
///
/// # In Python
///
/// `ExceptionGroup`; [`split`](ExceptionGroup::split) is `except*`.
#[derive(Debug)]
pub struct ExceptionGroup {
    message: String,
    errors: Vec<Box<dyn Error>>,
}

impl ExceptionGroup {
    /// A group of `errors`.
    #[must_use]
    pub fn new(message: impl Into<String>, errors: Vec<Box<dyn Error>>) -> Self {
        Self { message: message.into(), errors }
    }

    /// What the errors have in common.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The errors. None, if the group was ended by [`TaskGroup::cancel`](crate::TaskGroup::cancel) before its body had a value.
    pub fn iter(&self) -> impl Iterator<Item = &(dyn Error + 'static)> {
        self.errors.iter().map(|error| &**error)
    }

    /// How many errors there are; a group inside counts as one.
    #[must_use]
    pub fn len(&self) -> usize {
        self.errors.len()
    }

    /// Whether there are no errors.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// The errors, by value.
    #[must_use]
    pub fn into_errors(self) -> Vec<Box<dyn Error>> {
        self.errors
    }

    /// Takes out the errors of type `E`, also from groups inside, and gives what is left, if anything is.
    ///
    /// # Examples
    ///
    /// ```
    /// use asyncio_combinators::ExceptionGroup;
    /// use std::io;
    ///
    /// let errors = ExceptionGroup::new("two", vec![io::Error::other("disk").into(), "something else".into()]);
    /// let (io, rest) = errors.split::<io::Error>();
    /// assert_eq!(io[0].to_string(), "disk");
    /// assert_eq!(rest.unwrap().to_string(), "two (1 error: something else)");
    /// ```
    #[must_use]
    pub fn split<E: Error + 'static>(self) -> (Vec<E>, Option<Self>) {
        let mut found = Vec::new();
        let mut rest = Vec::new();
        for error in self.errors {
            match error.downcast::<E>() {
                Ok(error) => found.push(*error),
                Err(error) => match error.downcast::<Self>() {
                    Ok(group) => {
                        let (inner, left) = group.split::<E>();
                        found.extend(inner);
                        rest.extend(left.map(|left| Box::new(left) as Box<dyn Error>));
                    }
                    Err(error) => rest.push(error),
                },
            }
        }
        let left = (!rest.is_empty()).then_some(Self { message: self.message, errors: rest });
        (found, left)
    }
}

impl fmt::Display for ExceptionGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let errors = if self.errors.len() == 1 { "error" } else { "errors" };
        write!(f, " ({} {errors}", self.errors.len())?;
        for (index, error) in self.errors.iter().enumerate() {
            write!(f, "{} {error}", if index == 0 { ":" } else { ";" })?;
        }
        f.write_str(")")
    }
}

impl Error for ExceptionGroup {
    /// The first error.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.errors.first().map(|error| &**error)
    }
}
