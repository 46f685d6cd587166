//! What this kernel and this process can do for the data plane, found out by trying.
//!
//! Each feature is used once in a scratch network namespace that nobody else sees and that vanishes
//! afterwards. Whoever asks decides what follows from the findings.

use rtnetlink::{LinkBridge, LinkMessageBuilder, LinkVeth};

use crate::config::Config;
use crate::error::{Doing, NetError, chain};
use crate::netns::{self, Inside};
use crate::nft::ruleset::Ruleset;
use crate::thread::on_thread;

/// Something the data plane cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// Creating network namespaces.
    Namespaces,
    /// Creating bridges.
    Bridge,
    /// Creating pairs of virtual interfaces.
    Veth,
    /// Address translation by nftables.
    Masquerade,
}

/// The outcome for one feature; the error is its cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub feature: Feature,
    pub outcome: Result<(), String>,
}

impl Feature {
    /// What is wrong where the feature is missing.
    pub fn absence(self) -> &'static str {
        match self {
            Self::Namespaces => "network namespaces cannot be created",
            Self::Bridge => "bridges cannot be created",
            Self::Veth => "virtual interface pairs cannot be created",
            Self::Masquerade => "nftables cannot translate addresses",
        }
    }

    /// What does not work without it.
    pub fn consequence(self) -> &'static str {
        match self {
            Self::Namespaces => "no container can have a network",
            Self::Bridge => "containers cannot reach the node or each other",
            Self::Veth => "containers cannot be connected",
            Self::Masquerade => "containers cannot reach anything beyond the node",
        }
    }

    /// What brings it.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Namespaces => "enable CONFIG_NET_NS, and be root with CAP_SYS_ADMIN",
            Self::Bridge => "load the kernel module bridge (CONFIG_BRIDGE)",
            Self::Veth => "load the kernel module veth (CONFIG_VETH)",
            Self::Masquerade => {
                "enable CONFIG_NF_TABLES, CONFIG_NFT_NAT, CONFIG_NFT_MASQ and CONFIG_NFT_CT, or load their modules"
            }
        }
    }

    fn found(self, outcome: Result<(), String>) -> Finding {
        Finding { feature: self, outcome }
    }
}

/// Tries every feature; the findings are in the order a reader should fix them.
pub async fn run() -> Vec<Finding> {
    let inside = match netns::scratch().await {
        Ok(inside) => inside,
        Err(error) => {
            let cause = chain(&error);
            let untried = [Feature::Bridge, Feature::Veth, Feature::Masquerade].map(|feature| {
                feature.found(Err("not tried, for want of a namespace to try it in".to_owned()))
            });
            return std::iter::once(Feature::Namespaces.found(Err(cause))).chain(untried).collect();
        }
    };
    let bridge = LinkMessageBuilder::<LinkBridge>::new("probe-br").build();
    let bridge = inside.netlink.add_link(bridge).await.map_err(|error| error.to_string());
    let veth = LinkVeth::new("probe-a", "probe-b").build();
    let veth = inside.netlink.add_link(veth).await.map_err(|error| error.to_string());
    let masquerade = masquerade(&inside).await.map_err(|error| chain(&error));
    vec![
        Feature::Namespaces.found(Ok(())),
        Feature::Bridge.found(bridge),
        Feature::Veth.found(veth),
        Feature::Masquerade.found(masquerade),
    ]
}

/// Loads the very ruleset the host will load.
async fn masquerade(inside: &Inside) -> Result<(), NetError> {
    const TABLE: &str = "skep";
    let file = inside.file().try_clone().doing("keep open", "the scratch namespace")?;
    let loaded = on_thread("probe-nft", move || {
        netns::move_into(file).doing("enter", "the scratch namespace")?;
        let subnet =
            crate::Subnet::new([172, 31, 0, 1].into(), 16).expect("a private block with its first host");
        let config = Config { table: TABLE.to_owned(), ..Config::new(subnet, "/") };
        Ruleset::new(&config).load().map_err(|refused| refused.naming("load the nftables table", TABLE))
    });
    loaded.await.doing("load the nftables table", TABLE)?
}
