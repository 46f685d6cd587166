//! `container port`.

use std::net::Ipv6Addr;

use clap::Args;
use skep_api::client::PortBinding;

use crate::commands::one_or_two;
use crate::context::Context;
use crate::fault::Fault;
use crate::format::natural_order;
use crate::grammar::uint64_decimal;

/// List port mappings or a specific mapping for the container
#[derive(Args, Debug)]
#[command(before_help = "CONTAINER [PRIVATE_PORT[/PROTO]]", after_help = "container port, port")]
pub(crate) struct Flags {
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let (reference, port) = one_or_two(context, flags.arguments)?;
    let client = context.client().await?;
    let bindings = client.container(&reference).await?.network_settings.ports;
    let mut lines: Vec<String> = match port {
        Some(port) => {
            let found = bindings.get(&full(&port)?).filter(|bindings| !bindings.is_empty());
            let found = found.ok_or_else(|| {
                Fault::new(format!("Error: No public port '{port}' published for {reference}"))
            })?;
            found.iter().map(address).collect()
        }
        None => {
            let line = |port: &str, binding: &PortBinding| format!("{port} -> {}", address(binding));
            bindings.iter().flat_map(|(port, list)| list.iter().map(move |one| line(port, one))).collect()
        }
    };
    lines.sort_by(|a, b| natural_order(a, b));
    for line in lines {
        context.io.line(line)?;
    }
    Ok(())
}

/// `80` means `80/tcp`.
fn full(port: &str) -> Result<String, Fault> {
    let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
    match uint64_decimal(number) {
        Ok(_) => Ok(format!("{number}/{protocol}")),
        Err(reason) => Err(Fault::new(format!("Error: invalid port ({port}): {reason}"))),
    }
}

fn address(binding: &PortBinding) -> String {
    match binding.host_ip.parse::<Ipv6Addr>() {
        Ok(_) => format!("[{}]:{}", binding.host_ip, binding.host_port),
        Err(_) => format!("{}:{}", binding.host_ip, binding.host_port),
    }
}
