//! `system dial-stdio`: the standard streams as a connection to the daemon. `ssh` runs it at the far end of `ssh://`.

use clap::Args;
use tokio::io::{AsyncWriteExt, copy};

use crate::commands::none;
use crate::context::Context;
use crate::endpoint;
use crate::fault::Fault;

/// Proxy the stdio stream to the daemon connection. Should not be invoked manually.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    none(context, &flags.arguments)?;
    let (endpoint, _) = endpoint::resolve(context)?;
    let (mut output, mut input) = endpoint.dial().await?;
    let mut source = context.io.input();
    let failed = |error: std::io::Error| Fault::new(format!("the connection broke: {error}"));
    let sending = async {
        copy(&mut source, &mut input).await?;
        input.shutdown().await
    };
    let mut stdout = tokio::io::stdout();
    let receiving = async {
        copy(&mut output, &mut stdout).await?;
        stdout.flush().await
    };
    tokio::pin!(sending, receiving);
    tokio::select! {
        received = &mut receiving => received.map_err(failed),
        sent = &mut sending => {
            sent.map_err(failed)?;
            receiving.await.map_err(failed)
        }
    }
}
