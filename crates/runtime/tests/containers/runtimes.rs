//! The same containers under an external OCI runtime.

use skep_runtime::CreateError;

use crate::world::{World, exec, printed, records, text};

#[tokio::test]
async fn runc_runs_the_same_containers() {
    if !std::path::Path::new("/usr/sbin/runc").exists() {
        eprintln!("runc is not installed; nothing tested");
        return;
    }
    let world = World::with(Some("/usr/sbin/runc"));
    let mut container =
        world.shell("grep -E 'CapBnd|Seccomp:' /proc/self/status; id -u; echo ready; exec sleep 60");
    container.process.user = "app".into();
    container.resources.pids_limit = Some(50);
    let handle = world.start(&container).await;
    printed(&handle, "ready").await;
    let output = text(&records(&handle, Default::default()).await);
    assert_eq!(output, "CapBnd:\t00000000a80425fb\nSeccomp:\t2\n1000\nready\n");
    assert_eq!(exec(&handle, &["id", "-u"]).await.output, b"1000\n");
    assert_eq!(handle.stop(9, crate::world::PATIENCE).await.expect("stopped").code, 137);
    handle.delete().await.expect("deleted");
    let error = world.runtime.create(&world.container(&["nothing"])).await.expect_err("refused");
    assert!(
        matches!(&error, CreateError::Refused(text) if text.contains("executable file not found")),
        "{error}"
    );
}
