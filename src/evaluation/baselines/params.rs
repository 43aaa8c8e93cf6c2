//! The parameters of a baseline as they are written: `NAME:KEY=VALUE,KEY=VALUE`.

/// Why a text names no baseline.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaselineError {
    /// There is none of that name.
    #[error("there is no baseline `{name}`, expected one of {known}")]
    Name {
        /// The name.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// It has no such parameter.
    #[error("the baseline `{name}` has no parameter `{key}`, expected one of {known}")]
    Key {
        /// The baseline.
        name: String,
        /// The parameter.
        key: String,
        /// Those that it has.
        known: String,
    },
    /// What should be `KEY=VALUE` is not.
    #[error("`{found}` of the baseline `{name}` is expected as KEY=VALUE, such as m=500")]
    Form {
        /// The baseline.
        name: String,
        /// What is there.
        found: String,
    },
    /// A value is none of its parameter's.
    #[error("`{key}` of the baseline `{name}` is `{found}`, expected {expected}")]
    Value {
        /// The baseline.
        name: String,
        /// The parameter.
        key: &'static str,
        /// What is there.
        found: String,
        /// What may be there.
        expected: &'static str,
    },
}

/// The name and the parameters that a text has, handed out one after the other.
pub(super) struct Params<'a> {
    name: &'a str,
    left: Vec<(&'a str, &'a str)>,
    known: Vec<&'static str>,
}

impl<'a> Params<'a> {
    pub(super) fn of(text: &'a str) -> Result<Self, BaselineError> {
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        let pairs = rest.split(',').filter(|pair| !pair.is_empty());
        let left = pairs.map(|pair| {
            let form = || BaselineError::Form { name: name.to_owned(), found: pair.to_owned() };
            pair.split_once('=').map(|(key, value)| (key.trim(), value.trim())).ok_or_else(form)
        });
        Ok(Self { name, left: left.collect::<Result<_, _>>()?, known: Vec::new() })
    }

    pub(super) fn name(&self) -> &'a str {
        self.name
    }

    /// A number of things, at least one.
    pub(super) fn count(&mut self, key: &'static str, default: usize) -> Result<usize, BaselineError> {
        let parse = |text: &str| text.parse().ok().filter(|count| *count > 0);
        self.value(key, default, parse, "a whole number from 1")
    }

    /// A weight or a width, not negative.
    pub(super) fn number(&mut self, key: &'static str, default: f64) -> Result<f64, BaselineError> {
        let parse =
            |text: &str| text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
        self.value(key, default, parse, "a number from 0")
    }

    /// A number by which something is divided.
    pub(super) fn width(&mut self, key: &'static str, default: f64) -> Result<f64, BaselineError> {
        let parse = |text: &str| text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
        self.value(key, default, parse, "a number above 0")
    }

    /// A half-life in ms, or none.
    pub(super) fn half_life(
        &mut self,
        key: &'static str,
        default: Option<i64>,
    ) -> Result<Option<i64>, BaselineError> {
        let parse = |text: &str| match text {
            "none" => Some(None),
            _ => {
                let length = humantime::parse_duration(text).ok()?;
                i64::try_from(length.as_millis()).ok().filter(|millis| *millis > 0).map(Some)
            }
        };
        self.value(key, default, parse, "a length of time such as 1h, or none")
    }

    /// Nothing is left that nobody asked for.
    pub(super) fn done(self) -> Result<(), BaselineError> {
        let Some((key, _)) = self.left.first() else { return Ok(()) };
        Err(BaselineError::Key {
            name: self.name.to_owned(),
            key: (*key).to_owned(),
            known: self.known.join(", "),
        })
    }

    fn value<T>(
        &mut self,
        key: &'static str,
        default: T,
        parse: impl Fn(&str) -> Option<T>,
        expected: &'static str,
    ) -> Result<T, BaselineError> {
        self.known.push(key);
        let mut value = default;
        // The last of several of one name counts.
        while let Some(at) = self.left.iter().position(|(name, _)| *name == key) {
            let (_, text) = self.left.remove(at);
            value = parse(text).ok_or_else(|| BaselineError::Value {
                name: self.name.to_owned(),
                key,
                found: text.to_owned(),
                expected,
            })?;
        }
        Ok(value)
    }
}
