//! What happens on the node in the words of `docker events`, among the cluster's changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use skep_agent::{ContainerRecord, Engine, Happened, NodeEvent, VolumeHappened, What, volume};
use skep_api::server::facts::{Changed, LocalEvent};
use skep_model::Timestamp;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::backend::{NETWORK, NETWORK_ID};

type Attributes = BTreeMap<String, String>;

/// Passes events on for as long as the engine lives.
pub async fn forward(engine: Arc<Engine>, changes: broadcast::Sender<Changed>) {
    let mut events = engine.events();
    drop(engine);
    loop {
        match events.recv().await {
            // An error means that nobody listens.
            Ok(event) => drop(changes.send(Changed::Local(Arc::new(local(&event))))),
            Err(RecvError::Lagged(lost)) => tracing::warn!(lost, "events of this node were lost"),
            Err(RecvError::Closed) => return,
        }
    }
}

fn local(event: &NodeEvent) -> LocalEvent {
    match &event.what {
        What::Container(happened, container) => of_container(happened, container, event.at),
        What::ImagePulled { reference, labels } => {
            let mut attributes = labels.clone();
            attributes.insert("name".to_owned(), reference.familiar_name());
            of("image", "pull", reference.familiar(), attributes, event.at)
        }
        What::Volume(happened, name) => of_volume(happened, name, event.at),
        What::Network { container_id, is_joined } => {
            let action = if *is_joined { "connect" } else { "disconnect" };
            let attributes = [("container", container_id.as_str()), ("name", NETWORK), ("type", NETWORK)];
            of("network", action, NETWORK_ID.to_owned(), owned(&attributes), event.at)
        }
    }
}

fn of_volume(happened: &VolumeHappened, name: &str, at: Timestamp) -> LocalEvent {
    let mut attributes = vec![("driver", volume::DRIVER)];
    let action = match happened {
        VolumeHappened::Created => "create",
        VolumeHappened::Destroyed => "destroy",
        VolumeHappened::Unmounted { container_id } => {
            attributes.push(("container", container_id));
            "unmount"
        }
        VolumeHappened::Mounted { container_id, target, read_only } => {
            let writes = if *read_only { "false" } else { "true" };
            attributes.extend([("container", container_id.as_str()), ("destination", target)]);
            attributes.extend([("propagation", ""), ("read/write", writes)]);
            "mount"
        }
    };
    of("volume", action, name.to_owned(), owned(&attributes), at)
}

fn of_container(happened: &Happened, container: &ContainerRecord, at: Timestamp) -> LocalEvent {
    let mut attributes = container.labels.clone();
    attributes.insert("image".to_owned(), container.image.clone());
    attributes.insert("name".to_owned(), container.name.clone());
    let mut note = |name: &str, value: String| drop(attributes.insert(name.to_owned(), value));
    let action = match happened {
        Happened::Created => "create",
        Happened::Started => "start",
        Happened::OutOfMemory => "oom",
        Happened::Died { exit_code } => {
            note("exitCode", exit_code.to_string());
            "die"
        }
        Happened::Destroyed => "destroy",
        Happened::Killed { signal } => {
            note("signal", signal.to_string());
            "kill"
        }
        Happened::Stopped => "stop",
        Happened::Attached => "attach",
        Happened::Updated => "update",
        Happened::Resized(size) => {
            note("height", size.rows.to_string());
            note("width", size.columns.to_string());
            "resize"
        }
        Happened::ExecCreated(exec) => {
            note("execID", exec.exec_id.clone());
            &format!("exec_create: {}", exec.command.join(" "))
        }
        Happened::ExecStarted(exec) => {
            note("execID", exec.exec_id.clone());
            &format!("exec_start: {}", exec.command.join(" "))
        }
        Happened::ExecDied { exec_id, exit_code } => {
            note("execID", exec_id.clone());
            note("exitCode", exit_code.to_string());
            "exec_die"
        }
    };
    of("container", action, container.container_id.clone(), attributes, at)
}

fn of(kind: &str, action: &str, id: String, attributes: Attributes, at: Timestamp) -> LocalEvent {
    LocalEvent { kind: kind.to_owned(), action: action.to_owned(), id, attributes, at }
}

fn owned(attributes: &[(&str, &str)]) -> Attributes {
    attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compat: dockerd 20.10 tells a task's volumes and network like this.
    #[test]
    fn what_a_task_causes_is_told_in_dockers_words() {
        let told = |what| {
            let event = local(&NodeEvent { what, at: Timestamp::default() });
            let attributes: Vec<String> =
                event.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("{} {} {} ({})", event.kind, event.action, event.id, attributes.join(", "))
        };
        let container_id = || "c1".to_owned();
        let mounted =
            VolumeHappened::Mounted { container_id: container_id(), target: "/data".into(), read_only: true };
        let unmounted = VolumeHappened::Unmounted { container_id: container_id() };
        let reference = "127.0.0.1:5000/app:1".parse().expect("a reference");
        let labels = [("l".to_owned(), "v".to_owned())].into();
        assert_eq!(
            [
                told(What::ImagePulled { reference, labels }),
                told(What::Volume(VolumeHappened::Created, "data".into())),
                told(What::Volume(mounted, "data".into())),
                told(What::Volume(unmounted, "data".into())),
                told(What::Volume(VolumeHappened::Destroyed, "data".into())),
            ],
            [
                "image pull 127.0.0.1:5000/app:1 (l=v, name=127.0.0.1:5000/app)",
                "volume create data (driver=local)",
                "volume mount data (container=c1, destination=/data, driver=local, propagation=, read/write=false)",
                "volume unmount data (container=c1, driver=local)",
                "volume destroy data (driver=local)",
            ]
        );
        for (is_joined, action) in [(true, "connect"), (false, "disconnect")] {
            let event = told(What::Network { container_id: container_id(), is_joined });
            let expected = format!("network {action} {NETWORK_ID} (container=c1, name=bridge, type=bridge)");
            assert_eq!(event, expected);
        }
    }
}
