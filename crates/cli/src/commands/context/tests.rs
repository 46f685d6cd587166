//! Contexts on their way from one machine to another, by either client.

use crate::testing::{docker, skep};

#[tokio::test]
async fn contexts_travel_between_machines_and_clients() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("authority"), "an authority").expect("writes");
    let (here, there, archive) = (path("here"), path("there"), path("lab.tar"));
    let (here, there) = ([("DOCKER_CONFIG", here.as_str())], [("DOCKER_CONFIG", there.as_str())]);
    let endpoint = format!("host=tcp://10.0.0.1:2376,ca={}", path("authority"));
    let made =
        skep(&["context", "create", "lab", "--description", "the lab", "--docker", &endpoint], &here).await;
    assert_eq!(made.code, 0, "{}", made.err);
    let exported = skep(&["context", "export", "lab", &archive], &here).await;
    assert_eq!((exported.code, exported.err), (0, format!("Written file {archive:?}\n")));
    let again = skep(&["context", "export", "lab", &archive], &here).await;
    assert!(again.code == 1 && again.err.contains("File exists"), "nothing is written over: {}", again.err);

    let imported = skep(&["context", "import", "lab2", &archive], &there).await;
    assert_eq!((imported.code, imported.out.as_str()), (0, "lab2\n"), "{}", imported.err);
    let shown = skep(
        &["context", "inspect", "lab2", "--format", "{{.Endpoints.docker.Host}} {{.Metadata.Description}}"],
        &there,
    )
    .await;
    assert_eq!(shown.out, "tcp://10.0.0.1:2376 the lab\n", "{}", shown.err);
    let twice = skep(&["context", "import", "lab2", &archive], &there).await;
    assert_eq!(twice.err, "context \"lab2\" already exists\n");
    std::fs::write(path("nonsense"), "nonsense").expect("writes");
    let nonsense = skep(&["context", "import", "lab3", &path("nonsense")], &there).await;
    assert!(nonsense.code == 1 && nonsense.err.contains("is no archive of a context"), "{}", nonsense.err);

    let Some(imported) = docker(&["context", "import", "lab4", &archive], &there).await else {
        eprintln!("skipped: no docker client 28.2 here");
        return;
    };
    assert_eq!((imported.code, imported.out.as_str()), (0, "lab4\n"), "{}", imported.err);
    docker(&["context", "export", "lab4", &path("theirs.tar")], &there).await.expect("it is here");
    let back = skep(&["context", "import", "lab5", &path("theirs.tar")], &here).await;
    assert_eq!(back.code, 0, "{}", back.err);
    let files = |name: &str, config: &str| {
        let store = crate::store::Store::new(config);
        (store.get(name).expect("imported").host, store.tls_files(name))
    };
    assert_eq!(files("lab5", here[0].1), files("lab", here[0].1));
}
