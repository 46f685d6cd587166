#![forbid(unsafe_code)]
//! The `skep` binary: the client's commands, `skep daemon`, and the hidden `skep shim`.

mod authority;
mod backend;
mod daemon;
mod doctor;
mod host;
mod manager;
mod membership;
mod node_events;
mod view;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    // The shim comes first: it must run before any thread exists.
    if skep_runtime::is_shim(&args) {
        return skep_runtime::shim_main(&args);
    }
    if args.get(1).is_some_and(|word| word == "daemon") {
        return daemon::main(&args[1..]);
    }
    // The daemon is in the help like any other command; it was handled above.
    skep_cli::run(
        skep_cli::command().subcommand(daemon::command()),
        args,
        Some(|place| Box::pin(doctor::this_machine(place))),
    )
}

#[cfg(test)]
mod tests {
    use skep_model::{placement, policy};

    #[test]
    fn the_help_of_cluster_set_names_every_policy() {
        let client = skep_cli::command();
        let set = client.find_subcommand("cluster").and_then(|group| group.find_subcommand("set"));
        let help = set.and_then(|set| set.get_long_about()).expect("a help").to_string();
        let single = [policy::PROFILE, placement::STRATEGY_LABEL, placement::REBALANCE_LABEL];
        for label in single.map(str::to_owned).into_iter().chain(policy::knob_labels()) {
            let name = label.strip_prefix("skep.").expect("labels of ours begin so");
            assert!(help.contains(&format!("\n  {name}=")), "{name} is missing");
        }
    }
}
