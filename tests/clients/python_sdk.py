"""Docker's Python SDK against a daemon, as its users call it: services, tasks, nodes, logs, exec, events, images.

Usage: python_sdk.py SOCKET IMAGE OTHER_IMAGE

Both images are in a registry that the daemon reaches, and hold a shell. Every scene asserts; the first one that does
not hold ends the script with a traceback and code 1. What it makes it removes.
"""

import io
import sys
import tarfile
import time

import docker
from docker.errors import APIError, NotFound
from docker.types import EndpointSpec, Healthcheck, Placement, Resources, RestartPolicy, ServiceMode, UpdateConfig

LIMIT = 60
OBEDIENT = "trap 'exit 0' TERM; echo hello; echo oh >&2; while :; do sleep 3600 & wait $!; done"


def wait_for(what, look):
    """Returns what `look` finds as soon as that is true; fails when it is not within LIMIT seconds."""
    deadline = time.monotonic() + LIMIT
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited {LIMIT} s for {what}"
        time.sleep(0.05)
    return found


def refused(status, part, call):
    """Asserts that a call is refused with this status and a sentence that has this part."""
    try:
        call()
    except APIError as error:
        assert error.status_code == status, f"{error.status_code} instead of {status}: {error}"
        assert part in error.explanation, error.explanation
    else:
        raise AssertionError(f"not refused: {part}")


def running(service, image=None):
    """Returns the tasks of a service that should run, once all of them do, and of this image."""
    replicas = service.client.services.get(service.id).attrs["Spec"]["Mode"]["Replicated"]["Replicas"]

    def look():
        tasks = service.tasks(filters={"desired-state": "running"})
        fits = [
            task
            for task in tasks
            if task["Status"]["State"] == "running"
            and (image is None or task["Spec"]["ContainerSpec"]["Image"].startswith(image))
        ]
        return tasks if len(fits) == len(tasks) == replicas else None

    return wait_for(f"{replicas} running tasks", look)


def system(client, image, other):
    assert client.ping() is True
    version = client.version()
    assert version["Os"] == "linux" and version["Components"][0]["Name"] == "Engine", version
    info = client.info()
    assert info["Swarm"]["LocalNodeState"] == "active" and info["Swarm"]["ControlAvailable"] is True
    assert info["OSType"] == "linux" and info["NCPU"] > 0 and info["MemTotal"] > 0
    client.swarm.reload()
    assert client.swarm.attrs["ID"] and client.swarm.version > 0
    assert client.swarm.attrs["JoinTokens"]["Worker"].startswith("SWMTKN-1-")
    assert client.networks.list(names=["bridge"])[0].name == "bridge"
    assert client.secrets.list() == [] and client.configs.list() == []


def images(client, image, other):
    pulled = client.images.pull(image)
    assert image in pulled.tags, pulled.tags
    assert pulled.id.startswith("sha256:") and pulled.attrs["Os"] == "linux"
    lines = list(client.api.pull(other, stream=True, decode=True))
    assert any("Status: " in line.get("status", "") for line in lines), lines
    assert client.images.get_registry_data(image).id.startswith("sha256:")
    assert image in [tag for found in client.images.list() for tag in found.tags]
    assert client.images.list(filters={"reference": "no/such"}) == []
    assert pulled.history()[0]["Id"] == pulled.id
    assert pulled.tag("kept/by-hand", tag="1") is True
    saved = b"".join(client.images.get("kept/by-hand:1").save(named="kept/by-hand:1"))
    client.images.remove("kept/by-hand:1")
    loaded = client.images.load(saved)
    assert [found.id for found in loaded] == [pulled.id], loaded
    client.images.remove("kept/by-hand:1")
    refused(404, "No such image", lambda: client.images.get("no/such:1"))
    refused(404, "127.0.0.1:5000/no/such", lambda: client.images.pull("127.0.0.1:5000/no/such", tag="1"))


def create(client, image):
    """Makes the service that the other scenes look at; every kind of option is in it."""
    return client.services.create(
        image,
        command=["sh", "-c", OBEDIENT],
        name="web",
        labels={"team": "bees"},
        container_labels={"kind": "worker"},
        env=["SLOT={{.Task.Slot}}", "COLOUR=amber"],
        hostname="{{.Service.Name}}-{{.Task.Slot}}",
        mode=ServiceMode("replicated", replicas=2),
        constraints=["node.role == manager"],
        healthcheck=Healthcheck(test=["CMD-SHELL", "true"], interval=100_000_000),
        mounts=["data:/data:rw"],
        resources=Resources(mem_limit=64 << 20, cpu_limit=500_000_000),
        restart_policy=RestartPolicy(condition="any", delay=0),
        stop_grace_period=5_000_000_000,
        update_config=UpdateConfig(parallelism=1, delay=0, failure_action="pause", monitor=500_000_000, order="stop-first"),
        user="bee",
        workdir="/tmp",
    )


def services(client, image, other):
    service = create(client, image)
    assert service.name == "web" and service.version > 0
    spec = service.attrs["Spec"]
    assert spec["Labels"] == {"team": "bees"} and spec["Mode"] == {"Replicated": {"Replicas": 2}}, spec
    container = spec["TaskTemplate"]["ContainerSpec"]
    assert container["Env"] == ["SLOT={{.Task.Slot}}", "COLOUR=amber"] and container["User"] == "bee", container
    assert container["Mounts"] == [{"Type": "volume", "Source": "data", "Target": "/data"}], container["Mounts"]
    tasks = running(service)
    assert sorted(task["Slot"] for task in tasks) == [1, 2]
    assert [found.id for found in client.services.list(filters={"label": "team=bees"})] == [service.id]
    assert client.services.list(filters={"name": "nobody"}) == []
    status = client.services.list(status=True)[0].attrs["ServiceStatus"]
    assert status["RunningTasks"] == status["DesiredTasks"] == 2, status

    refused(409, "name conflicts with an existing object", lambda: create(client, image))
    refused(404, "service nobody not found", lambda: client.services.get("nobody"))
    stale = client.services.get("web")

    # The SDK sends the whole specification again, its own reading of what it does not change.
    service.reload()
    service.update(image=other)
    service.reload()
    assert service.attrs["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"].startswith(other), service.attrs
    wait_for("the update", lambda: client.services.get("web").attrs["UpdateStatus"]["State"] == "completed")
    running(service, other)
    assert service.attrs["PreviousSpec"]["TaskTemplate"]["ContainerSpec"]["Image"].startswith(image)
    refused(500, "update out of sequence", lambda: stale.update(image=image))

    service.reload()
    service.scale(3)
    running(service, other)
    service.reload()
    service.force_update()
    wait_for("the update", lambda: client.services.get("web").attrs["UpdateStatus"]["State"] == "completed")
    running(service, other)


def tasks(client, image, other):
    found = client.services.get("web").tasks(filters={"desired-state": "running"})
    task = client.api.inspect_task(found[0]["ID"])
    assert task["ID"] == found[0]["ID"] and task["DesiredState"] == "running"
    status = task["Status"]
    assert status["State"] == "running" and len(status["ContainerStatus"]["ContainerID"]) == 64, status
    assert status["ContainerStatus"]["PID"] > 0
    assert task["NodeID"] == client.info()["Swarm"]["NodeID"]
    history = client.api.tasks(filters={"service": "web", "desired-state": "shutdown"})
    assert history and all(old["DesiredState"] == "shutdown" for old in history), history
    refused(404, "task nothing not found", lambda: client.api.inspect_task("nothing"))
    refused(400, "invalid filter", lambda: client.api.tasks(filters={"colour": "amber"}))


def nodes(client, image, other):
    (node,) = client.nodes.list()
    assert node.attrs["Status"]["State"] == "ready" and node.attrs["ManagerStatus"]["Leader"] is True
    assert client.nodes.list(filters={"role": "worker"}) == []
    spec = node.attrs["Spec"]
    assert node.update({**spec, "Labels": {"disk": "ssd"}}) is True
    assert [found.id for found in client.nodes.list(filters={"node.label": "disk=ssd"})] == [node.id]
    node.reload()
    assert node.attrs["Spec"]["Labels"] == {"disk": "ssd"}
    refused(500, "update out of sequence", lambda: client.api.update_node(node.id, 1, spec))
    assert node.update({**node.attrs["Spec"], "Labels": {}}) is True
    refused(404, "node nobody not found", lambda: client.nodes.get("nobody"))


def logs(client, image, other):
    service = client.services.get("web")
    text = wait_for("the log", lambda: b"".join(service.logs(stdout=True, stderr=True)))
    assert b"hello" in text and b"oh" in text, text
    only = b"".join(service.logs(stdout=False, stderr=True))
    assert b"oh" in only and b"hello" not in only, only
    container = containers(client)[0]
    assert container.logs(stdout=True, stderr=False) == b"hello\n"
    stamped = container.logs(timestamps=True, tail=1)
    assert stamped.split(b" ")[0].endswith(b"Z"), stamped
    assert next(iter(container.logs(stream=True, follow=True))) in (b"hello\n", b"oh\n")
    assert container.logs(since=int(time.time()) + 3600) == b""


def containers(client):
    return client.containers.list(filters={"label": "com.docker.swarm.service.name=web"})


def container(client, image, other):
    found = containers(client)
    assert len(found) == 3, found
    one = client.containers.get(found[0].id)
    assert one.status == "running" and one.name.startswith("web."), (one.status, one.name)
    assert one.labels["kind"] == "worker" and one.labels["com.docker.swarm.node.id"]
    assert one.attrs["Config"]["User"] == "bee" and one.attrs["HostConfig"]["Memory"] == 64 << 20
    assert one.health in ("starting", "healthy"), one.health
    processes = one.top()
    assert processes["Titles"] and any("sh" in " ".join(row) for row in processes["Processes"]), processes
    usage = one.stats(stream=False)
    assert usage["memory_stats"]["limit"] == 64 << 20 and usage["pids_stats"]["current"] > 0, usage
    assert next(iter(one.stats(stream=True, decode=True)))["name"] == f"/{one.name}"
    one.put_archive("/tmp", archive("note.txt", b"from outside"))
    chunks, about = one.get_archive("/tmp/note.txt")
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as returned:
        assert returned.extractfile("note.txt").read() == b"from outside"
    assert about["name"] == "note.txt" and about["size"] == len("from outside"), about
    assert {"Path": "/tmp/note.txt", "Kind": 1} in one.diff()
    refused(404, "No such container", lambda: client.containers.get("nobody"))
    refused(501, "docker service create", lambda: client.containers.run(image, "true"))


def archive(name, content):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def commands(client, image, other):
    one = containers(client)[0]
    code, output = one.exec_run(["sh", "-c", "echo out; echo err >&2; exit 3"], demux=True)
    assert (code, output) == (3, (b"out\n", b"err\n")), (code, output)
    code, output = one.exec_run("id -un", user="root", workdir="/", environment={"A": "b"})
    assert (code, output) == (0, b"root\n"), output
    code, output = one.exec_run("sh -c 'pwd; echo $A'", workdir="/etc", environment={"A": "b"}, tty=True)
    assert (code, output) == (0, b"/etc\r\nb\r\n"), output
    assert b"".join(one.exec_run("echo streamed", stream=True).output) == b"streamed\n"

    # Standard input, and its end, which only a half-closed connection can tell.
    made = client.api.exec_create(one.id, "cat", stdin=True)
    stream = client.api.exec_start(made["Id"], socket=True)
    raw = stream._sock
    raw.sendall(b"through the pipe\n")
    raw.shutdown(1)
    frames = b""
    while chunk := raw.recv(4096):
        frames += chunk
    stream.close()
    assert frames == b"\x01\0\0\0\0\0\0\x11through the pipe\n", frames
    assert client.api.exec_inspect(made["Id"])["ExitCode"] == 0

    made = client.api.exec_create(one.id, "sh -c 'sleep 0.2; stty size 2>/dev/null || true'", tty=True, stdin=True)
    started = client.api.exec_start(made["Id"], tty=True, socket=True)
    client.api.exec_resize(made["Id"], height=40, width=120)
    started.close()
    detached = client.api.exec_create(one.id, "touch /tmp/detached")
    client.api.exec_start(detached["Id"], detach=True)
    wait_for("the detached command", lambda: not client.api.exec_inspect(detached["Id"])["Running"])
    assert client.api.exec_inspect(detached["Id"])["ExitCode"] == 0
    refused(404, "No such exec instance", lambda: client.api.exec_inspect("nothing"))


def events(client, image, other):
    began = int(time.time())
    stream = client.events(since=began, filters={"type": "container", "label": "com.docker.swarm.service.name=web"}, decode=True)
    killed = containers(client)[0]
    killed.kill(signal="SIGKILL")
    assert killed.wait()["StatusCode"] == 137
    seen = []
    for event in stream:
        seen.append(event["Action"])
        assert event["Type"] == "container" and event["time"] >= began, event
        if event["Action"] == "die":
            assert event["Actor"]["ID"] == killed.id and event["Actor"]["Attributes"]["exitCode"] == "137", event
            break
    stream.close()
    assert "kill" in seen, seen
    # What is past is told again, and ends.
    past = list(client.events(since=began, until=int(time.time()) + 1, filters={"event": "die"}, decode=True))
    assert killed.id in [event["Actor"]["ID"] for event in past], past
    running(client.services.get("web"))


def volumes(client, image, other):
    made = client.volumes.create("by-hand", labels={"a": "b"})
    assert made.name == "by-hand" and made.attrs["Driver"] == "local"
    assert [found.name for found in client.volumes.list(filters={"label": "a=b"})] == ["by-hand"]
    refused(409, "in use", lambda: client.volumes.get("data").remove())
    made.remove()
    refused(404, "no such volume", lambda: client.volumes.get("by-hand"))
    usage = client.df()
    assert "data" in [found["Name"] for found in usage["Volumes"]], usage["Volumes"]


def removal(client, image, other):
    service = client.services.get("web")
    assert service.remove() is True
    try:
        client.services.get("web")
    except NotFound:
        pass
    else:
        raise AssertionError("removed and still there")
    wait_for("the tasks to go", lambda: service.id not in [task["ServiceID"] for task in client.api.tasks()])
    wait_for("the containers to go", lambda: not containers(client))
    wait_for("the volume to be free", lambda: "data" in (client.volumes.prune(filters={"all": "true"})["VolumesDeleted"] or []))


def main(socket, image, other):
    # `auto` asks the daemon for its version first, as every program that does not pin one does.
    client = docker.DockerClient(base_url=f"unix://{socket}", version="auto", timeout=LIMIT)
    for scene in (system, images, services, tasks, nodes, logs, container, commands, events, volumes, removal):
        began = time.monotonic()
        scene(client, image, other)
        print(f"{scene.__name__}: {time.monotonic() - began:.2f} s", flush=True)
    client.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
