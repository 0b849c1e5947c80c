//! The name that the adapter keeps: which one, and the file and the command that give it.

use super::Setup;
use super::adapters::Adapter;
use super::changes::Action;
use super::error::SetupError;
use super::network;

/// How many names `probe0`, `probe1` and so on are tried.
const NAMES: usize = 100;

impl Setup<'_> {
    /// The name that the adapter has in the end, if nothing is declined.
    pub(super) fn planned_name(&self, adapter: &Adapter) -> Result<String, SetupError> {
        let current = || adapter.name.clone();
        // The service would lose it.
        let Some(address) = adapter.address.filter(|_| !adapter.is_captured) else { return Ok(current()) };
        let links = self.links()?;
        let texts = || links.iter().filter_map(|(_, text)| text.as_deref());
        if let Some(name) = texts().find_map(|text| network::name_in_link(text, address)) {
            return Ok(name);
        }
        if !network::is_unstable(&adapter.name) || links.iter().all(|(_, text)| text.is_some()) {
            return Ok(current());
        }
        let is_taken = |name: &String| {
            self.machine.root.exists(&format!("/sys/class/net/{name}"))
                || texts().any(|text| network::given_name(text).as_ref() == Some(name))
        };
        let free = (0..NAMES).map(|number| format!("probe{number}")).find(|name| !is_taken(name));
        Ok(free.unwrap_or_else(current))
    }

    /// The files that name adapters, with their texts.
    fn links(&self) -> Result<Vec<(&'static str, Option<String>)>, SetupError> {
        let read = |path| Ok((path, self.machine.read_text(path)?));
        network::LINKS.into_iter().map(read).collect()
    }

    /// Gives the adapter its name; returns the name under which it is to be configured.
    pub(super) fn name(&mut self, adapter: &Adapter, name: String) -> Result<String, SetupError> {
        let Some(address) = adapter.address.filter(|_| adapter.name != name) else {
            let why = match () {
                () if adapter.is_captured && network::is_unstable(&adapter.name) => {
                    "it keeps its name while the service captures with it; to give it one that stays, stop the \
                     service and run setup again"
                }
                () if network::is_unstable(&adapter.name) && adapter.address.is_none() => {
                    "no name can be given to it, for want of an address of its own"
                }
                () if network::is_unstable(&adapter.name) => {
                    "every file in which setup gives names has another adapter"
                }
                () => "its name stays",
            };
            self.machine.carry_out(Vec::new(), &format!("{}: {why}", adapter.name))?;
            return Ok(adapter.name.clone());
        };
        let links = self.links()?;
        let mut actions = Vec::new();
        let is_named = |text: &String| network::name_in_link(text, address).as_ref() == Some(&name);
        let has_link = links.iter().any(|(_, text)| text.as_ref().is_some_and(is_named));
        // One that names another adapter stays as it is.
        if let Some((path, _)) = links.iter().find(|(_, text)| text.is_none()).filter(|_| !has_link) {
            let what = format!(
                "{address} is always called {name}; {} may be another adapter tomorrow",
                adapter.name
            );
            let content = network::link(address, &name);
            actions.push(Action::Write { path, content, mode: 0o644, what });
        }
        if adapter.has_default_route {
            self.say("  It is a way to the internet, so it gets its new name only at the next boot.")?;
        } else if self.machine.root.exists(&format!("/sys/class/net/{name}")) {
            self.say(&format!(
                "  There is another {name} now, so it gets its new name only at the next boot."
            ))?;
        } else {
            actions.push(Action::Rename { from: adapter.name.clone(), to: name.clone() });
        }
        let is_done = self.machine.carry_out(actions, "the file that names it is there")?;
        Ok(if is_done { name } else { adapter.name.clone() })
    }
}
