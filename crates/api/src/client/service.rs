//! Calls about services and their tasks.

use hyper::Method;

use super::call::{Call, object};
use super::{Client, ClientError, Filters};
use crate::wire::{Service, ServiceCreated, ServiceSpec, ServiceUpdated, Task, Version};

/// Where the server takes the stored pull credentials from when an update brings none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RegistryAuthFrom {
    /// Says nothing about it.
    #[default]
    Unsaid,
    /// The current spec.
    Spec,
}

/// What goes beside the spec in an update.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdateOptions {
    /// Value of the `X-Registry-Auth` header.
    pub auth: Option<String>,
    /// Used when `auth` is absent.
    pub auth_from: RegistryAuthFrom,
    /// Asks for the previous spec instead of the one sent.
    pub rollback: bool,
}

impl Client {
    /// Lists services; `with_status` asks for task counts.
    pub async fn services(&self, filters: &Filters, with_status: bool) -> Result<Vec<Service>, ClientError> {
        let call = Call::get("/services").query("filters", filters.render());
        self.json(if with_status { call.query("status", "true") } else { call }).await
    }

    /// Looks a service up by id, name or id prefix; `with_defaults` asks for the values that a silent spec means.
    pub async fn service(&self, reference: &str, with_defaults: bool) -> Result<Service, ClientError> {
        let call = Call::get(object("services", "service", reference, "")?);
        self.json(if with_defaults { call.query("insertDefaults", "true") } else { call }).await
    }

    /// Creates a service.
    pub async fn create_service(
        &self,
        spec: &ServiceSpec,
        auth: Option<&str>,
    ) -> Result<ServiceCreated, ClientError> {
        self.json(Call::post("/services/create", spec).auth(auth)).await
    }

    /// Replaces the spec of a service, provided nobody else did since `version`.
    pub async fn update_service(
        &self,
        id: &str,
        version: Version,
        spec: &ServiceSpec,
        options: &UpdateOptions,
    ) -> Result<ServiceUpdated, ClientError> {
        let from = match options.auth_from {
            RegistryAuthFrom::Unsaid => "",
            RegistryAuthFrom::Spec => "spec",
        };
        let call = Call::post(object("services", "service", id, "/update")?, spec)
            .query("version", version.index.to_string())
            .query("registryAuthFrom", from)
            .query("rollback", if options.rollback { "previous" } else { "" })
            .auth(options.auth.as_deref());
        self.json(call).await
    }

    /// Removes a service; its tasks stop afterwards.
    pub async fn remove_service(&self, reference: &str) -> Result<(), ClientError> {
        self.done(Call::new(Method::DELETE, object("services", "service", reference, "")?)).await
    }

    /// Lists tasks.
    pub async fn tasks(&self, filters: &Filters) -> Result<Vec<Task>, ClientError> {
        self.json(Call::get("/tasks").query("filters", filters.render())).await
    }

    /// Looks a task up by id or id prefix.
    pub async fn task(&self, reference: &str) -> Result<Task, ClientError> {
        self.json(Call::get(object("tasks", "task", reference, "")?)).await
    }
}
