//! Ports of this node that lead into one task's container (`mode=host`).
//!
//! Opened when the container starts, not when it is prepared: an update prepares the successor while the old task still has
//! the port. Closed when the container has ended.

use std::net::Ipv4Addr;
use std::sync::Arc;

use skep_model::endpoint::{Port, Protocol};
use skep_model::{Task, TaskId};
use skep_net::{NetError, Published, Transport};

use super::{Engine, EngineError, Known, chain};
use crate::record::ContainerRecord;

impl Engine {
    /// Opens the ports that a task wants, and keeps the numbers that were chosen.
    pub(super) async fn open_ports(&self, known: &Known) -> Result<(), EngineError> {
        let id = known.record.task_id;
        let task: Option<Arc<Task>> = self.remembered_task(id)?;
        let wanted = task.map(|task| task.spec.host_ports.clone()).unwrap_or_default();
        let Some(address) = known.record.address.filter(|_| !wanted.is_empty()) else { return Ok(()) };
        let wishes = wishes(&wanted, address)?;
        let opened = match self.network.publish(&id.to_string(), &wishes).await {
            // Its last holder may have ended an instant ago, with its network not yet taken apart.
            Err(NetError::PortTaken { .. }) => {
                self.close_ports_of_ended().await?;
                self.network.publish(&id.to_string(), &wishes).await?
            }
            opened => opened?,
        };
        let chosen = |(port, opened): (Port, Published)| Port { published: opened.host_port, ..port };
        let ports = wanted.into_iter().zip(opened).map(chosen).collect();
        let record = Arc::new(ContainerRecord { ports, ..ContainerRecord::clone(&known.record) });
        self.records.put_container(&record).await?;
        self.set_known(id, Some(Known { record, ..known.clone() }));
        Ok(())
    }

    async fn close_ports_of_ended(&self) -> Result<(), EngineError> {
        let ended: Vec<TaskId> = self
            .known()
            .iter()
            .filter(|(_, known)| !known.record.ports.is_empty() && !known.is_running())
            .map(|(id, _)| *id)
            .collect();
        for id in ended {
            self.network.unpublish(&id.to_string()).await?;
        }
        Ok(())
    }

    /// After a restart of the agent: opens the ports of what runs again.
    pub(super) async fn reopen_ports(&self) {
        let running: Vec<Known> = self.known().values().filter(|known| known.is_running()).cloned().collect();
        for known in running.iter().filter(|known| !known.record.ports.is_empty()) {
            let (id, address) = (known.record.task_id, known.record.address.unwrap_or(Ipv4Addr::UNSPECIFIED));
            let opened = match wishes(&known.record.ports, address) {
                Ok(wishes) => self.network.publish(&id.to_string(), &wishes).await.map_err(EngineError::from),
                Err(error) => Err(error),
            };
            if let Err(error) = opened {
                tracing::error!(task.id = %id, error = %chain(&error), "the ports of an adopted container stay closed");
            }
        }
    }
}

fn wishes(ports: &[Port], address: Ipv4Addr) -> Result<Vec<Published>, EngineError> {
    let wish = |port: &Port| {
        let transport = match port.protocol {
            Protocol::Tcp => Transport::Tcp,
            Protocol::Udp => Transport::Udp,
            Protocol::Sctp => return Err(EngineError::Sctp(port.target)),
        };
        Ok(Published { transport, host_port: port.published, address, container_port: port.target })
    };
    ports.iter().map(wish).collect()
}
