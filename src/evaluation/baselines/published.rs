//! The published baselines by their names.

use super::super::contender::Contender;
use super::params::{BaselineError, Params};
use super::{rules, sknn, transitions, vsknn, vstan};

/// The names that [`by_name`] knows.
pub const NAMES: [&str; 5] = ["transitions", "rules", "sknn", "vsknn", "vstan"];

/// A baseline by its name and what differs from the defaults, such as `vsknn:m=1502,k=288,last=4,idf=1`. In a report it
/// is called so.
///
/// # Errors
/// There is no such baseline, it has no such parameter, or the value is not one.
pub fn by_name(text: &str) -> Result<Box<dyn Contender>, BaselineError> {
    let mut params = Params::of(text)?;
    let made: Box<dyn Contender> = match params.name() {
        "transitions" => {
            Box::new(transitions::Transitions::new(text, transitions::Settings::of(&mut params)?))
        }
        "rules" => Box::new(rules::Rules::new(text, rules::Settings::of(&mut params)?)),
        "sknn" => Box::new(sknn::Sknn::new(text, sknn::Settings::of(&mut params)?)),
        "vsknn" => Box::new(vsknn::Vsknn::new(text, vsknn::Settings::of(&mut params)?)),
        "vstan" => Box::new(vstan::Vstan::new(text, vstan::Settings::of(&mut params)?)),
        name => return Err(BaselineError::Name { name: name.to_owned(), known: NAMES.join(", ") }),
    };
    params.done()?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_baseline_is_called_as_it_was_asked_for() {
        for text in ["rules", "vsknn:m=1502,k=288,last=4,idf=1", "transitions:gap=none, age=6h", "vstan:k=3,"]
        {
            assert_eq!(by_name(text).map(|made| made.name().to_owned()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_is_no_baseline_is_refused_with_what_there_is() {
        let refused = |text: &str| by_name(text).err().map(|error| error.to_string());
        let cases = [
            ("vknn", "there is no baseline `vknn`, expected one of transitions, rules, sknn, vsknn, vstan"),
            ("sknn:m=1,n=2", "the baseline `sknn` has no parameter `n`, expected one of m, k"),
            ("sknn:m", "`m` of the baseline `sknn` is expected as KEY=VALUE, such as m=500"),
            ("sknn:m=0", "`m` of the baseline `sknn` is `0`, expected a whole number from 1"),
            ("vsknn:idf=-1", "`idf` of the baseline `vsknn` is `-1`, expected a number from 0"),
            ("vstan:spw=0", "`spw` of the baseline `vstan` is `0`, expected a number above 0"),
            (
                "rules:age=0s",
                "`age` of the baseline `rules` is `0s`, expected a length of time such as 1h, or none",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(refused(text).as_deref(), Some(expected));
        }
    }
}
