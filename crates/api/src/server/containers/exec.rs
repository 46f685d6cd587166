//! `/exec`: commands in running containers.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use futures_util::FutureExt as _;

use super::super::entry::ApiMinor;
use super::super::error::Error;
use super::super::extract::{Json, OptionalJson, Reference};
use super::super::facts::{ExecSpec, TerminalSize};
use super::super::hijack::Hijack;
use super::super::query::Query;
use super::super::{Context, reply};
use super::{check_keys, find, terminal_size};
use crate::convert::local::container;
use crate::wire::local as wire;

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/containers/{id}/exec", post(create))
        .route("/exec/{id}/start", post(start))
        .route("/exec/{id}/json", get(inspect))
        .route("/exec/{id}/resize", post(resize))
}

async fn create(
    State(context): State<Arc<Context>>,
    Reference(reference): Reference,
    Json(config): Json<wire::ExecConfig>,
) -> Result<Response, Error> {
    if config.cmd.is_empty() {
        return Err(Error::invalid("No exec command specified"));
    }
    let found = find(&context, &reference).await?;
    if !found.is_running() {
        return Err(Error::conflict(format!("container {} is not running", found.id)));
    }
    let id = context.backend.exec_create(&found.id, to_model(config)?).await?;
    Ok(reply::json_with(StatusCode::CREATED, &wire::ExecCreated { id }))
}

fn to_model(config: wire::ExecConfig) -> Result<ExecSpec, Error> {
    check_keys(&config.detach_keys, "escape")?;
    Ok(ExecSpec {
        command: config.cmd,
        env: config.env.unwrap_or_default(),
        working_dir: config.working_dir,
        user: config.user,
        privileged: config.privileged,
        tty: config.tty,
        size: size(config.console_size)?,
        stdin: config.attach_stdin,
        stdout: config.attach_stdout,
        stderr: config.attach_stderr,
        detach_keys: config.detach_keys,
    })
}

fn size(given: Option<[u32; 2]>) -> Result<Option<TerminalSize>, Error> {
    let Some([height, width]) = given else { return Ok(None) };
    let narrow = |number: u32| {
        u16::try_from(number)
            .map_err(|_| Error::invalid(format!("invalid console size: {number} is too large")))
    };
    Ok(Some(TerminalSize { height: narrow(height)?, width: narrow(width)? }))
}

async fn start(
    State(context): State<Arc<Context>>,
    Extension(ApiMinor(minor)): Extension<ApiMinor>,
    Reference(id): Reference,
    hijack: Hijack,
    OptionalJson(options): OptionalJson<wire::ExecStart>,
) -> Result<Response, Error> {
    let size = size(options.console_size)?;
    // Whatever can be refused is refused before the connection is another protocol's.
    let exec = context.backend.exec_startable(&id).await?;
    if options.detach {
        context.backend.exec_start_detached(&id).await?;
        return Ok(StatusCode::OK.into_response());
    }
    let backend = context.backend.clone();
    let begin = async move { backend.exec_start(&id, size).await };
    hijack.answer(&context, minor, exec.spec.tty, begin.boxed())
}

async fn inspect(State(context): State<Arc<Context>>, Reference(id): Reference) -> Result<Response, Error> {
    Ok(reply::json(&container::exec(context.backend.exec(&id).await?)))
}

async fn resize(
    State(context): State<Arc<Context>>,
    Reference(id): Reference,
    query: Query,
) -> Result<Response, Error> {
    context.backend.exec_resize(&id, terminal_size(&query)?).await?;
    Ok(reply::empty())
}
