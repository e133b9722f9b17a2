//! What stands for one key of the job file on a command line.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};
use toml::de::DeValue;

/// More than any option counts to.
const COUNT_MAX: usize = 9;

/// The arguments that `arg` is given by with `value`.
///
/// # Errors
/// What it takes instead, after its name.
pub fn of(arg: &Arg, value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let long = arg.get_long().unwrap_or_default();
    let alone = || format!("--{long}");
    let many = matches!(arg.get_action(), ArgAction::Append);
    let may_be_alone = arg
        .get_num_args()
        .is_some_and(|range| range.min_values() == 0);
    match (arg.get_action(), value) {
        (ArgAction::Count, DeValue::Integer(_)) => {
            let times = scalar(value).and_then(|number| number.parse().ok());
            match times.filter(|times| *times <= COUNT_MAX) {
                Some(times) => Ok(vec![alone(); times]),
                None => Err(format!("takes a number up to {COUNT_MAX}")),
            }
        }
        (ArgAction::SetTrue | ArgAction::Count, DeValue::Boolean(on)) => {
            Ok(on.then(alone).into_iter().collect())
        }
        (ArgAction::SetTrue, _) => Err("takes true or false".to_owned()),
        (ArgAction::Count, _) => Err("takes a number".to_owned()),
        (_, DeValue::Boolean(on)) if may_be_alone => Ok(on.then(alone).into_iter().collect()),
        (_, DeValue::Array(_)) if !many => Err("takes one value, not a list".to_owned()),
        (_, DeValue::Array(values)) => values
            .iter()
            .map(|value| {
                let value = scalar(value.get_ref());
                value.map(|value| format!("--{long}={value}"))
            })
            .collect::<Option<_>>()
            .ok_or_else(|| "takes texts or numbers in its list".to_owned()),
        (_, value) => match scalar(value) {
            Some(value) => Ok(vec![format!("--{long}={value}")]),
            None if value.is_table() => Err("takes no table: the file has no sections".to_owned()),
            None => Err("takes a value, not true or false".to_owned()),
        },
    }
}

/// A value as it is typed.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().replace('_', "")),
        DeValue::Float(number) => Some(number.as_str().replace('_', "")),
        DeValue::Datetime(date) => Some(date.to_string()),
        _ => None,
    }
}

/// Whether `command` takes `words` for what they are; what they may not stand beside is seen when
/// all is known.
///
/// # Errors
/// What is wrong with the value, in words.
pub fn sound(command: &Command, words: &[String]) -> Result<(), String> {
    let name = [command.get_name().to_owned()];
    let Err(error) = command
        .clone()
        .try_get_matches_from(name.iter().chain(words))
    else {
        return Ok(());
    };
    let told = |context| match error.get(context) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    };
    let value = told(ContextKind::InvalidValue);
    match error.kind() {
        ErrorKind::MissingRequiredArgument | ErrorKind::ArgumentConflict => Ok(()),
        ErrorKind::InvalidValue => Err(format!(
            "{value:?} is none of {}",
            told(ContextKind::ValidValue)
        )),
        ErrorKind::ValueValidation => {
            let why = error
                .source()
                .map_or(String::new(), |why| format!(": {why}"));
            Err(format!("{value:?} cannot be used{why}"))
        }
        // Such as more values than it takes.
        kind => Err(kind.to_string()),
    }
}
