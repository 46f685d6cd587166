//! Containers outlive daemons, and dead shims are noticed.

use std::fs;
use std::time::Duration;

use skep_runtime::{Adopted, Handle, Runtime, State};

use crate::exec::shim_pid;
use crate::world::{PATIENCE, World, exec, printed, records, text};

async fn adopt(runtime: &Runtime) -> Vec<Adopted> {
    runtime.adopt().await.expect("adopted")
}

#[tokio::test]
async fn a_new_daemon_finds_every_container_in_its_state() {
    let mut world = World::new();
    let created = world.runtime.create(&world.shell("exit 6")).await.expect("created");
    let running = world
        .start(&world.shell("trap 'echo bye; exit 4' TERM; echo ready; while :; do sleep 0.02; done"))
        .await;
    printed(&running, "ready").await;
    let ended = world.start(&world.shell("echo done; exit 5")).await;
    ended.wait().await;
    let ids = [created.id().to_owned(), running.id().to_owned(), ended.id().to_owned()];
    drop((created, running, ended));
    world.reopen();
    let adopted = adopt(&world.runtime).await;
    let find = |id: &str| adopted.iter().find(|a| a.id == id).expect("adopted");
    assert_eq!(adopted.len(), 3);

    let created = find(&ids[0]);
    assert_eq!(created.state, State::Created);
    created.handle.start().await.expect("started");
    assert_eq!(created.handle.wait().await.code, 6);

    let running = find(&ids[1]);
    assert!(matches!(running.state, State::Running { pid, .. } if Some(pid) == running.handle.pid()));
    assert_eq!(running.container.as_ref().expect("a bundle").process.args[0], "sh");
    assert_eq!(exec(&running.handle, &["echo", "alive"]).await.output, b"alive\n");
    assert_eq!(running.handle.stop(15, PATIENCE).await.expect("stopped").code, 4);
    assert!(text(&records(&running.handle, Default::default()).await).ends_with("bye\n"));

    let State::Exited(exit) = &find(&ids[2]).state else { panic!("not exited") };
    assert!(exit.started_at.is_some_and(|started_at| started_at <= exit.at));
    assert_eq!((exit.code, exit.shim_lost), (5, false));
    assert_eq!(find(&ids[2]).handle.wait().await, *exit);
}

#[tokio::test]
async fn an_exit_without_a_daemon_is_not_forgotten() {
    let mut world = World::new();
    let handle = world.start(&world.shell("echo ready; read line < /tmp/pipe; exit 33")).await;
    printed(&handle, "ready").await;
    let id = handle.id().to_owned();
    handle.signal(2).expect("sent");
    drop(handle);
    let exit_file = world.path("exec/run").join(&id).join("exit.json");
    let gone = async {
        while !exit_file.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("the end");
    world.reopen();
    let adopted = adopt(&world.runtime).await;
    assert!(matches!(&adopted[0].state, State::Exited(exit) if !exit.shim_lost), "{:?}", adopted[0].state);
}

#[tokio::test]
async fn a_killed_shim_takes_its_container_along_and_is_reported() {
    let world = World::new();
    let handle = world.start(&world.shell("echo ready; sleep 60")).await;
    printed(&handle, "ready").await;
    kill(shim_pid(&world, handle.id()));
    let exit = tokio::time::timeout(PATIENCE, handle.wait()).await.expect("an end");
    assert!(exit.shim_lost);
    assert!(
        !fs::exists(format!("/proc/{}", handle.pid().expect("a pid"))).expect("readable")
            || is_zombie(&handle)
    );
    handle.delete().await.expect("deleted");
}

#[tokio::test]
async fn a_shim_killed_while_no_daemon_ran_is_reported_by_the_next_one() {
    let mut world = World::new();
    let handle = world.start(&world.shell("sleep 60")).await;
    let (id, pid) = (handle.id().to_owned(), handle.pid().expect("a pid"));
    drop(handle);
    let shim = shim_pid(&world, &id);
    kill(shim);
    dead(shim).await;
    world.reopen();
    let adopted = adopt(&world.runtime).await;
    assert!(matches!(&adopted[0].state, State::Exited(exit) if exit.shim_lost), "{:?}", adopted[0].state);
    let comm = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    assert!(comm.is_empty() || comm.contains(") Z "), "{comm}");
    adopted[0].handle.delete().await.expect("deleted");
    assert!(adopt(&world.runtime).await.is_empty());
}

#[tokio::test]
async fn after_a_reboot_containers_have_ended_as_they_did() {
    let mut world = World::new();
    let ended = world.start(&world.shell("exit 3")).await;
    let exit = ended.wait().await;
    let lost = world.start(&world.shell("sleep 60")).await;
    // A reboot ends everything and empties the execution root.
    let shim = shim_pid(&world, lost.id());
    kill(shim);
    dead(shim).await;
    fs::remove_dir_all(world.path("exec/run")).expect("removed");
    let mut looks = Vec::new();
    for _ in 0..2 {
        world.reopen();
        let adopted = adopt(&world.runtime).await;
        let state = |handle: &Handle| {
            let found = adopted.iter().find(|adopted| adopted.id == handle.id()).expect("found");
            match &found.state {
                State::Exited(exit) => exit.clone(),
                state => panic!("{state:?}"),
            }
        };
        assert_eq!(state(&ended), exit);
        let lost = state(&lost);
        assert!(lost.shim_lost, "{lost:?}");
        looks.push(lost);
    }
    assert_eq!(looks[0], looks[1], "what is found once is found again");
    for adopted in adopt(&world.runtime).await {
        adopted.handle.delete().await.expect("deleted");
    }
}

#[tokio::test]
async fn a_creation_without_a_daemon_undoes_itself_or_is_found() {
    let world = World::new();
    for delay in [0, 1, 3, 10, 20] {
        let runtime = world.runtime.clone();
        let container = world.shell("true");
        let create = tokio::time::timeout(Duration::from_millis(delay), runtime.create(&container));
        if let Ok(handle) = create.await {
            handle.expect("created").delete().await.expect("deleted");
        }
    }
    let empty = async {
        // What was launched when it was cut off goes on until it finds nobody to report to; it may have reported before.
        while fs::read_dir(world.path("data/containers")).expect("a directory").next().is_some() {
            for adopted in adopt(&world.runtime).await {
                adopted.handle.delete().await.expect("deleted");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, empty).await.expect("nothing left");
}

#[tokio::test]
async fn a_killed_nursery_is_replaced() {
    let world = World::new();
    world.output(&world.shell("true")).await;
    let nursery = fs::read_dir("/proc/self/task").expect("readable").flatten().find_map(|task| {
        let children = fs::read_to_string(task.path().join("children")).ok()?;
        children.split_whitespace().map(str::to_owned).find(|pid| {
            let arguments = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            arguments.contains(&world.options.cgroup_parent)
        })
    });
    let nursery = nursery.expect("a nursery").parse().expect("a pid");
    kill(nursery);
    dead(nursery).await;
    world.output(&world.shell("true")).await;
}

#[tokio::test]
async fn orphans_of_the_container_are_reaped_and_die_with_it() {
    let world = World::new();
    let script = "for i in $(seq 1 20); do (sleep 0.01 &) ; done; (setsid sleep 77 &); sleep 0.3; exit 8";
    let (exit, _) = world.run(&world.shell(script)).await;
    assert_eq!(exit.code, 8);
    let survivors = std::process::Command::new("pgrep").args(["-fx", "sleep 77"]).output().expect("pgrep");
    assert!(survivors.stdout.is_empty());
}

#[tokio::test]
async fn shims_leave_the_daemons_cgroup_and_keep_no_foreign_descriptor() {
    let world = World::new();
    let stray = std::process::Command::new("true");
    drop(stray);
    let handle = world.start(&world.shell("sleep 60")).await;
    let shim = shim_pid(&world, handle.id());
    let groups = fs::read_to_string(format!("/proc/{shim}/cgroup")).expect("readable");
    let expected = format!("{}/shims", world.options.cgroup_parent);
    assert!(groups.lines().all(|line| line.ends_with(&expected)), "{groups}");
    let status = fs::read_to_string(format!("/proc/{shim}/status")).expect("readable");
    assert!(status.contains("PPid:\t1\n") && status.contains("Threads:\t1\n"), "{status}");
    let arguments = fs::read_to_string(format!("/proc/{shim}/cmdline")).expect("readable");
    assert_eq!(arguments.trim_end_matches('\0'), format!("skep\0shim\0{}", handle.id()));
    let descriptors = fs::read_dir(format!("/proc/{shim}/fd")).expect("readable").count();
    assert!(descriptors <= 12, "{descriptors}");
    // Nothing of the host's mounts is pinned by the shim.
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/mnt")).expect("a namespace");
    assert_eq!(namespace(&shim.to_string()), namespace("self"));
}

#[tokio::test]
async fn containers_can_be_made_in_parallel() {
    let world = World::new();
    let creations: Vec<_> = (0..10)
        .map(|index| {
            let (runtime, container) = (world.runtime.clone(), world.shell(&format!("exit {index}")));
            tokio::spawn(async move {
                let handle = runtime.create(&container).await.expect("created");
                handle.start().await.expect("started");
                let exit = handle.wait().await;
                handle.delete().await.expect("deleted");
                exit.code
            })
        })
        .collect();
    for (index, creation) in creations.into_iter().enumerate() {
        assert_eq!(creation.await.expect("no panic"), index as i32);
    }
}

#[tokio::test]
async fn closing_an_idle_runtime_leaves_no_mount_and_no_cgroup() {
    let world = World::new();
    world.output(&world.shell("true")).await;
    world.runtime.clone().close().await.expect("closed");
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("readable");
    assert!(!mounts.contains(world.directory.path().to_str().expect("UTF-8")));
}

/// Waits for the end of a killed process, reaped or not.
async fn dead(pid: i32) {
    let is_alive =
        || fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
    let dead = async {
        while is_alive() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, dead).await.expect("dead");
}

fn kill(pid: i32) {
    let killed = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().expect("kill");
    assert!(killed.success());
}

fn is_zombie(handle: &skep_runtime::Handle) -> bool {
    let path = format!("/proc/{}/stat", handle.pid().expect("a pid"));
    fs::read_to_string(path).is_ok_and(|stat| stat.contains(") Z "))
}
