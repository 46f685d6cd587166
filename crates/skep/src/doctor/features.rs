//! What the kernel offers: each feature tried once, in a namespace that nobody sees.

use skep_api::wire::{Condition, Finding};
use skep_net::probe::Feature;
use skep_runtime::Layout;
use skep_runtime::probe::{Check, Probe};

/// What was tried, and what came of it. It stays true as long as the kernel runs and nobody loads modules.
#[derive(Debug)]
pub struct Features {
    pub runtime: Probe,
    network: Vec<skep_net::probe::Finding>,
}

/// What follows where nothing can run at all.
const NOTHING_RUNS: &str = "no container can run, and the daemon does not start";

impl Features {
    /// Tries everything.
    pub async fn find() -> Features {
        Features { runtime: Probe::run(), network: skep_net::probe::run().await }
    }

    /// Returns what was found, in the order in which a reader should mend it.
    pub fn findings(&self) -> Vec<Finding> {
        let probe = &self.runtime;
        let needed = |name, check: &Check, here| finding(name, check, Condition::Missing, here, NOTHING_RUNS);
        let wanted =
            |name, check: &Check, follows| finding(name, check, Condition::Warning, "can be kept", follows);
        let layout = match probe.cgroups {
            Ok(Layout::V1) => "version 1",
            Ok(Layout::V2) => "version 2",
            Ok(Layout::Hybrid) => "versions 1 and 2",
            Err(_) => "",
        };
        let mut findings = vec![
            needed("root", &probe.root, "with CAP_SYS_ADMIN"),
            needed("namespaces", &probe.namespaces, "of every kind that a container is made of"),
            needed("pidfds", &probe.pidfds, "processes are signalled by handles, never by number"),
            needed("cgroups", &probe.cgroups.clone().map(drop), layout),
            needed("overlay", &probe.overlay, "overlay file systems"),
            needed("overlay layers", &probe.overlay_layers, "the layers of an image stack one by one"),
            needed("seccomp", &probe.seccomp, "system calls can be filtered"),
            wanted("memory limits", &probe.memory, "tasks with --limit-memory fail on this node"),
            wanted("cpu limits", &probe.cpu, "tasks with --limit-cpu fail on this node"),
            wanted("process limits", &probe.pids, "tasks with --limit-pids fail on this node"),
        ];
        findings.extend(self.network.iter().map(network));
        findings
    }
}

fn finding(name: &str, check: &Check, otherwise: Condition, here: &str, follows: &str) -> Finding {
    match check {
        Ok(()) => Finding::ok(name, here),
        Err(missing) => Finding::bad(name, otherwise, missing.what.clone(), [follows, missing.remedy]),
    }
}

fn network(tried: &skep_net::probe::Finding) -> Finding {
    let (name, here) = match tried.feature {
        Feature::Namespaces => ("network namespaces", "one for each task"),
        Feature::Bridge => ("bridges", "tasks of this node meet on one"),
        Feature::Veth => ("interface pairs", "they connect tasks to the bridge"),
        Feature::Masquerade => ("nftables", "addresses can be translated"),
    };
    match &tried.outcome {
        Ok(()) => Finding::ok(name, here),
        Err(cause) => Finding::bad(
            name,
            Condition::Missing,
            format!("{}: {cause}", tried.feature.absence()),
            [tried.feature.consequence(), tried.feature.remedy()],
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skep_runtime::probe::Missing;

    fn here() -> Probe {
        Probe {
            root: Ok(()),
            namespaces: Ok(()),
            pidfds: Ok(()),
            cgroups: Ok(Layout::V2),
            memory: Ok(()),
            cpu: Ok(()),
            pids: Ok(()),
            overlay: Ok(()),
            overlay_layers: Ok(()),
            seccomp: Ok(()),
        }
    }

    #[test]
    fn what_is_lacking_says_what_follows_and_what_helps() {
        let missing = |what: &str| Err(Missing { what: what.to_owned(), remedy: "bring it" });
        let probe = Probe { overlay: missing("no overlay"), memory: missing("no memory"), ..here() };
        let network = vec![skep_net::probe::Finding {
            feature: Feature::Veth,
            outcome: Err("not permitted".to_owned()),
        }];
        let findings = Features { runtime: probe, network }.findings();
        let bad = findings.iter().filter(|finding| finding.condition != Condition::Ok);
        let told: Vec<String> =
            bad.map(|finding| format!("{} {}: {finding}", finding.condition.word(), finding.name)).collect();
        assert_eq!(
            told,
            [
                "missing overlay: no overlay, so no container can run, and the daemon does not start; bring it",
                "warning memory limits: no memory, so tasks with --limit-memory fail on this node; bring it",
                "missing interface pairs: virtual interface pairs cannot be created: not permitted, so containers \
                 cannot be connected; load the kernel module veth (CONFIG_VETH)",
            ]
        );
    }
}
