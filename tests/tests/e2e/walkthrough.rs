//! The walk-through: a real redis, created, updated, broken, repaired and rolled back as a person would.

use skep_tests::images::{REDIS_NEW, REDIS_OLD, redis as redis_image};
use skep_tests::{Cluster, Docker, redis};

/// Creates the service under test with three replicas and a delay that leaves time to look.
const CREATE: [&str; 9] = [
    "service",
    "create",
    "--replicas",
    "3",
    "--name",
    "redis",
    "--update-delay",
    "2s",
    "--update-monitor=1s",
];

/// Returns the versions that the running redis servers name, in slot order.
fn versions(cluster: &mut Cluster) -> Vec<String> {
    let tasks = cluster.engine.tasks("redis", true).unwrap();
    let running = tasks.iter().filter(|task| task.state == "running");
    running.map(|task| redis::version(&cluster.sandbox, task).unwrap()).collect()
}

fn with(words: &[&'static str], more: &[&'static str]) -> Vec<&'static str> {
    [words, more].concat()
}

fn walk(cluster: &mut Cluster, client: &Docker) {
    let old = cluster.push(&redis_image(REDIS_OLD).unwrap()).unwrap();
    let new = cluster.push(&redis_image(REDIS_NEW).unwrap()).unwrap();

    let mut create = with(&CREATE, &[]);
    create.push(&old);
    let created = client.run(&create).unwrap();
    assert!(created.contains("verify: Service"), "{created}");
    assert!(client.run(&["service", "ls"]).unwrap().contains("3/3"));
    let inspect = client.run(&["service", "inspect", "--pretty", "redis"]).unwrap();
    assert!(inspect.contains("UpdateConfig:") && inspect.contains("Delay:\t\t2s"), "{inspect}");
    assert_eq!(versions(cluster), [REDIS_OLD; 3]);

    client.run(&["service", "update", "-d", "--image", &new, "redis"]).unwrap();
    let both = skep_tests::wait_for("both versions to run", skep_tests::cluster::PATIENCE, || {
        let ps = client.run(&["service", "ps", "redis"])?;
        let running =
            |version: &str| ps.lines().any(|line| line.contains(version) && line.contains("Running"));
        let seen = running(REDIS_OLD) && running(REDIS_NEW);
        Ok(if seen { skep_tests::Look::Done(ps) } else { skep_tests::Look::NotYet(ps) })
    });
    both.unwrap();
    assert!(versions(cluster).contains(&REDIS_OLD.to_owned()), "the delay keeps the old version for a while");
    cluster.engine.wait_update("redis", "completed", skep_tests::cluster::PATIENCE).unwrap();
    assert_eq!(versions(cluster), [REDIS_NEW; 3]);
    let ps = client.run(&["service", "ps", "--no-trunc", "redis"]).unwrap();
    assert!(ps.contains("\\_ redis.1") && ps.contains("Shutdown"), "{ps}");

    let before = cluster.running("redis", 3).unwrap();
    let missing = "127.0.0.1:5000/redis:8.0.0";
    let (code, said) = client.refused(&["service", "update", "--image", missing, "redis"]).unwrap();
    assert_eq!(code, 1);
    assert!(
        said.contains("service update paused: update paused due to failure or early termination"),
        "{said}"
    );
    let inspect = client.run(&["service", "inspect", "--pretty", "redis"]).unwrap();
    assert!(inspect.contains("paused"), "{inspect}");
    let ps = client.run(&["service", "ps", "--no-trunc", "redis"]).unwrap();
    assert!(ps.lines().any(|line| line.contains(missing) && line.contains("Rejected")), "{ps}");
    let mut after = cluster.running("redis", 3).unwrap();
    after.iter_mut().zip(&before).for_each(|(after, before)| after.raw = before.raw.clone());
    assert_eq!(after, before, "a tag that does not exist disturbs nothing");

    // The tag appears, and the update is restarted with the command that Docker's manual names.
    cluster.push(&redis_image(REDIS_NEW).unwrap().named("redis", "8.0.0")).unwrap();
    client.run(&["service", "update", "-d", "redis"]).unwrap();
    cluster.running_tag("redis", 3, "8.0.0").unwrap();
    cluster.engine.wait_update("redis", "completed", skep_tests::cluster::PATIENCE).unwrap();

    client.run(&["service", "update", "-d", "--update-delay", "0s", "--image", &old, "redis"]).unwrap();
    cluster.running_tag("redis", 3, REDIS_OLD).unwrap();
    client.run(&["service", "rollback", "redis"]).unwrap();
    cluster.running_tag("redis", 3, "8.0.0").unwrap();
    assert_eq!(versions(cluster), [REDIS_NEW; 3]);

    client.run(&["service", "scale", "redis=5"]).unwrap();
    cluster.running("redis", 5).unwrap();
    assert_eq!(client.run(&["service", "rm", "redis"]).unwrap(), "redis\n");
    assert_eq!(client.run(&["service", "ls", "-q"]).unwrap(), "");
}

#[test]
fn with_the_docker_client() {
    let mut cluster = Cluster::start().unwrap();
    let client = cluster.docker.clone();
    walk(&mut cluster, &client);
}

#[test]
fn with_skep_in_its_place() {
    let mut cluster = Cluster::start().unwrap();
    let client = cluster.daemon.skep(&cluster.sandbox).unwrap();
    walk(&mut cluster, &client);
}
