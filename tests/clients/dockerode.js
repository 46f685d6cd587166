'use strict';
// dockerode against a daemon, as its users call it: services, tasks, nodes, logs, exec, events, images.
//
// Usage: dockerode.js SOCKET IMAGE OTHER_IMAGE
//
// Both images are in a registry that the daemon reaches, and hold a shell. Every scene asserts; the first one that
// does not hold ends the script with code 1. What it makes it removes.

const assert = require('node:assert/strict');
const { PassThrough } = require('node:stream');
const { text } = require('node:stream/consumers');
const { setTimeout: pause } = require('node:timers/promises');
const Docker = require('dockerode');

const LIMIT_MS = 60_000;
const OBEDIENT = "trap 'exit 0' TERM; echo hello; echo oh >&2; while :; do sleep 3600 & wait $!; done";

const [socketPath, image, other] = process.argv.slice(2);
const docker = new Docker({ socketPath });

/** Resolves to what `look` finds as soon as that is true; fails when it is not within LIMIT_MS. */
async function waitFor(what, look) {
  const deadline = Date.now() + LIMIT_MS;
  for (;;) {
    const found = await look();
    if (found) return found;
    assert.ok(Date.now() < deadline, `waited ${LIMIT_MS} ms for ${what}`);
    await pause(50);
  }
}

/** Asserts that a call is refused with this status and a sentence that has this part. */
async function refused(status, part, call) {
  await assert.rejects(call, (error) => {
    assert.equal(error.statusCode, status, String(error));
    assert.ok(error.json.message.includes(part), error.json.message);
    return true;
  });
}

/** Follows a progress stream to its end and resolves to its messages. */
function followed(stream) {
  return new Promise((resolve, reject) => {
    docker.modem.followProgress(stream, (error, messages) => (error ? reject(error) : resolve(messages)));
  });
}

/** Splits a framed stream and resolves to both texts when it ends. */
async function split(stream) {
  const [out, err] = [new PassThrough(), new PassThrough()];
  docker.modem.demuxStream(stream, out, err);
  stream.on('end', () => { out.end(); err.end(); });
  return Promise.all([text(out), text(err)]);
}

function listTasks(service, desired) {
  return docker.listTasks({ filters: { service: [service], 'desired-state': [desired] } });
}

function running(service, count, wanted = '') {
  return waitFor(`${count} running tasks of ${service}`, async () => {
    const tasks = await listTasks(service, 'running');
    const fits = (task) => task.Status.State === 'running' && task.Spec.ContainerSpec.Image.startsWith(wanted);
    return tasks.length === count && tasks.every(fits) ? tasks : null;
  });
}

function ownContainers() {
  return docker.listContainers({ filters: { label: ['com.docker.swarm.service.name=web'] } });
}

async function system() {
  assert.equal(String(await docker.ping()), 'OK');
  assert.equal((await docker.version()).Os, 'linux');
  const info = await docker.info();
  assert.equal(info.Swarm.LocalNodeState, 'active');
  assert.ok(info.Swarm.ControlAvailable);
  assert.ok((await docker.swarmInspect()).JoinTokens.Manager.startsWith('SWMTKN-1-'));
  assert.deepEqual(await docker.listSecrets(), []);
}

async function images() {
  for (const name of [image, other]) {
    const messages = await followed(await docker.pull(name));
    assert.ok(messages.some((message) => message.status?.startsWith('Status: ')), JSON.stringify(messages));
  }
  const found = await docker.getImage(image).inspect();
  assert.ok(found.RepoTags.includes(image) && found.Os === 'linux');
  assert.equal((await docker.getImage(image).history())[0].Id, found.Id);
  assert.ok((await docker.listImages()).some((row) => row.Id === found.Id));
  assert.ok((await docker.getImage(image).distribution()).Descriptor.digest.startsWith('sha256:'));
  await docker.getImage(image).tag({ repo: 'kept/by-hand', tag: '1' });
  const saved = await docker.getImage('kept/by-hand:1').get();
  await docker.getImage('kept/by-hand:1').remove();
  const loaded = await followed(await docker.loadImage(saved));
  assert.ok(JSON.stringify(loaded).includes('kept/by-hand:1'), JSON.stringify(loaded));
  await docker.getImage('kept/by-hand:1').remove();
  await refused(404, 'No such image', () => docker.getImage('no/such:1').inspect());
}

function specification() {
  return {
    Name: 'web',
    Labels: { team: 'bees' },
    TaskTemplate: {
      ContainerSpec: {
        Image: image,
        Command: ['sh', '-c', OBEDIENT],
        Env: ['SLOT={{.Task.Slot}}'],
        Labels: { kind: 'worker' },
        Mounts: [{ Type: 'volume', Source: 'data', Target: '/data' }],
      },
      Resources: { Limits: { MemoryBytes: 64 << 20 } },
      RestartPolicy: { Condition: 'any', Delay: 0 },
    },
    Mode: { Replicated: { Replicas: 2 } },
    UpdateConfig: { Parallelism: 1, Monitor: 500_000_000, FailureAction: 'pause' },
    EndpointSpec: { Ports: [] },
  };
}

/** Changes a service as its callers do: read, change, send back with the version that was read. */
async function update(service, change) {
  const { Spec, Version } = await service.inspect();
  change(Spec);
  return service.update({ version: Version.Index, ...Spec });
}

async function services() {
  // dockerode sends the whole specification a second time, in the query; the daemon looks at the body only.
  const service = await docker.createService(specification());
  await running('web', 2);
  const made = await docker.getService('web').inspect();
  assert.equal(made.ID, service.id);
  assert.deepEqual(made.Spec.Labels, { team: 'bees' });
  assert.deepEqual(made.Spec.TaskTemplate.ContainerSpec.Env, ['SLOT={{.Task.Slot}}']);
  const [listed] = await docker.listServices({ status: true, filters: { label: ['team=bees'] } });
  assert.equal(listed.ServiceStatus.RunningTasks, 2);
  await refused(409, 'name conflicts with an existing object', () => docker.createService(specification()));
  await refused(404, 'service nobody not found', () => docker.getService('nobody').inspect());
  await refused(500, 'update out of sequence', () => service.update({ version: 1, ...made.Spec }));

  await update(service, (spec) => { spec.TaskTemplate.ContainerSpec.Image = other; });
  await waitFor('the update', async () => (await service.inspect()).UpdateStatus?.State === 'completed');
  await running('web', 2, other);
  await update(service, (spec) => { spec.Mode.Replicated.Replicas = 3; });
  await running('web', 3, other);
}

async function tasks() {
  const [row] = await listTasks('web', 'running');
  const task = await docker.getTask(row.ID).inspect();
  assert.equal(task.Status.ContainerStatus.ContainerID.length, 64);
  assert.equal(task.NodeID, (await docker.info()).Swarm.NodeID);
  assert.ok((await listTasks('web', 'shutdown')).every((old) => old.DesiredState === 'shutdown'));
  await refused(404, 'task nothing not found', () => docker.getTask('nothing').inspect());
  await refused(400, 'invalid filter', () => docker.listTasks({ filters: { colour: ['amber'] } }));
}

async function nodes() {
  const [row] = await docker.listNodes();
  const node = docker.getNode(row.ID);
  assert.equal((await node.inspect()).Status.State, 'ready');
  await node.update({ version: row.Version.Index, ...row.Spec, Labels: { disk: 'ssd' } });
  const [labelled] = await docker.listNodes({ filters: { 'node.label': ['disk=ssd'] } });
  assert.deepEqual(labelled.Spec.Labels, { disk: 'ssd' });
  await node.update({ version: labelled.Version.Index, ...labelled.Spec, Labels: {} });
}

async function logs() {
  const all = { stdout: true, stderr: true };
  const [out, err] = await waitFor('the log', async () => {
    const found = await split(await docker.getService('web').logs({ ...all, follow: false }).then(asStream));
    return found[0] && found[1] ? found : null;
  });
  assert.ok(out.startsWith('hello\n') && err.startsWith('oh\n'), out + err);
  const [row] = await ownContainers();
  const container = docker.getContainer(row.Id);
  const whole = await split(asStream(await container.logs({ ...all, follow: false })));
  assert.deepEqual(whole, ['hello\n', 'oh\n']);
  const following = await container.logs({ ...all, follow: true, tail: 1 });
  await new Promise((resolve, reject) => following.once('data', resolve).once('error', reject));
  following.destroy();
}

/** dockerode hands a finished answer over as bytes, and one that goes on as a stream. */
function asStream(answer) {
  if (!Buffer.isBuffer(answer) && typeof answer.on === 'function') return answer;
  const stream = new PassThrough();
  stream.end(answer);
  return stream;
}

async function exec() {
  const [row] = await ownContainers();
  const container = docker.getContainer(row.Id);
  assert.equal((await container.inspect()).State.Running, true);
  const both = { AttachStdout: true, AttachStderr: true };

  const plain = await container.exec({ Cmd: ['sh', '-c', 'echo out; echo err >&2; exit 3'], ...both });
  assert.deepEqual(await split(await plain.start({})), ['out\n', 'err\n']);
  assert.equal((await plain.inspect()).ExitCode, 3);

  // Standard input, and its end, which only a half-closed connection can tell.
  const piped = await container.exec({ Cmd: ['cat'], AttachStdin: true, ...both });
  const stream = await piped.start({ hijack: true, stdin: true });
  stream.end('through the pipe\n');
  assert.deepEqual(await split(stream), ['through the pipe\n', '']);

  const terminal = await container.exec({ Cmd: ['sh', '-c', 'read line; stty size'], Tty: true, AttachStdin: true, ...both });
  const screen = await terminal.start({ hijack: true, stdin: true, Tty: true });
  await terminal.resize({ h: 40, w: 120 });
  screen.write('go\n');
  const shown = await text(screen);
  assert.ok(shown.startsWith('go\r\n'), JSON.stringify(shown));

  const [usage, processes] = [await container.stats({ stream: false }), await container.top()];
  assert.equal(usage.memory_stats.limit, 64 << 20);
  assert.ok(processes.Titles.length > 0 && processes.Processes.length > 0);
  await refused(501, 'docker service create', () => docker.createContainer({ Image: image }));
}

async function events() {
  const since = Math.floor(Date.now() / 1000);
  const filters = { type: ['container'], label: ['com.docker.swarm.service.name=web'] };
  const stream = await docker.getEvents({ since, filters });
  const died = firstEvent(stream, 'die');
  const [row] = await ownContainers();
  const container = docker.getContainer(row.Id);
  const ended = container.wait();
  await container.kill({ signal: 'SIGKILL' });
  assert.equal((await ended).StatusCode, 137);
  const event = await died;
  assert.equal(event.Actor.ID, row.Id);
  assert.equal(event.Actor.Attributes.exitCode, '137');
  stream.destroy();
  await running('web', 3);
}

/** Resolves to the first event with this action; events come one JSON object to a line. */
function firstEvent(stream, action) {
  return new Promise((resolve, reject) => {
    let rest = '';
    stream.on('error', reject);
    stream.on('data', (chunk) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop();
      const found = lines.filter(Boolean).map((line) => JSON.parse(line)).find((event) => event.Action === action);
      if (found) resolve(found);
    });
  });
}

async function removal() {
  await docker.getService('web').remove();
  await refused(404, 'service web not found', () => docker.getService('web').inspect());
  await waitFor('the containers to go', async () => (await ownContainers()).length === 0);
  await waitFor('the volume to be free', async () => docker.getVolume('data').remove().then(() => true, (error) => {
    assert.equal(error.statusCode, 409, String(error));
    return false;
  }));
}

async function main() {
  for (const scene of [system, images, services, tasks, nodes, logs, exec, events, removal]) {
    const began = Date.now();
    await scene();
    console.log(`${scene.name}: ${Date.now() - began} ms`);
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
