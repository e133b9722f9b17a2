//! Which folders are subscribed, taken over from the source.

use std::collections::{BTreeMap, HashSet};

use tracing::Level;

use super::attempt::Attempt;
use crate::mail::FolderPath;
use crate::mail::subscriptions::{Form, Subscriptions};
use crate::naming::folder::subscription_line;
use crate::plan::Mode;
use crate::plan::selection::Choice;
use crate::problem::Problem;
use crate::sink::export;
use crate::sink::tree::Tree;
use crate::source::FolderList;

impl Attempt<'_> {
    /// Takes over which folders are subscribed.
    pub(super) fn subscribe(
        &mut self,
        tree: Option<&Tree>,
        list: &FolderList,
        choice: &Choice<'_>,
    ) -> Result<(), Problem> {
        let target = self.context.config.target;
        let mode = self.context.config.rerun.mode;
        let has_a_file = target.servers.dovecot || target.servers.courier;
        if !has_a_file || mode == Mode::AfterCutover || list.subscriptions_refused {
            return Ok(());
        }
        // What was told in words without sense may be any of them: then none has ended.
        let all_are_told = list.unusable.is_empty();
        let mut now = BTreeMap::new();
        for path in list.subscribed.iter().filter(|path| choice.takes(path)) {
            match subscription_line(&choice.destination(path), target.layout, target.encoding) {
                Ok(line) => {
                    now.insert(path.to_string(), line);
                }
                Err(fault) => self.log.line(
                    Level::WARN,
                    format!("the subscription of {path} cannot be kept: {fault}"),
                ),
            }
        }
        let listed: HashSet<String> = list.subscribed.iter().map(FolderPath::to_string).collect();
        let head = &self.memory.book.record.head;
        let before = head.subscribed.clone().unwrap_or_default();
        let known: HashSet<&String> = before.values().collect();
        // What is subscribed at the source and not taken this time is left as it is.
        let ended = before
            .iter()
            .filter(|(path, _)| all_are_told && !listed.contains(*path));
        let ended: Vec<String> = ended.map(|(_, line)| line.clone()).collect();
        let lines: Vec<String> = now.values().cloned().collect();
        let new: Vec<String> = now
            .values()
            .filter(|line| !known.contains(line))
            .cloned()
            .collect();
        let change = |subscriptions: &mut Subscriptions, is_missing: bool| match mode {
            Mode::Mirror if all_are_told && choice.is_everything() => {
                subscriptions.become_like(&lines)
            }
            // The server has become a target since.
            _ if is_missing => subscriptions.change(&ended, &lines),
            _ => subscriptions.change(&ended, &new),
        };
        let dovecot = target
            .servers
            .dovecot
            .then_some(Form::Dovecot(target.layout));
        let courier = target.servers.courier.then_some(Form::Courier);
        let mut changed = 0;
        for form in dovecot.into_iter().chain(courier) {
            changed += export::subscribe(&self.user.maildir, tree, form, change)?;
        }
        let untaken = before.into_iter().filter(|(path, _)| {
            (listed.contains(path) || !all_are_told) && !now.contains_key(path)
        });
        now.extend(untaken.collect::<Vec<_>>());
        self.memory.book.record.head.subscribed = Some(now);
        if changed > 0 {
            let line = format!("subscriptions: change {changed}");
            self.log.line(Level::INFO, &line);
            if tree.is_none() {
                self.memory.plan.push(format!("  {line}"));
            }
        }
        Ok(())
    }
}
