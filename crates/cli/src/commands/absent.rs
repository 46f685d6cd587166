//! Docker's commands that Skep does not have, and what to do instead. The test in `usage` holds this table against the
//! docker client: what is in neither is a gap.

/// One command or group: its words behind the program's name, and what helps whoever typed them.
pub(crate) struct Absent {
    pub words: &'static str,
    pub instead: &'static str,
}

const RUN: &str = "containers run through services only: \"skep service create\"";
const REPLACED: &str =
    "containers of tasks are not restarted but replaced: \"skep service update --force SERVICE\"";
const SCALED: &str = "containers of tasks cannot be paused: \"skep service scale SERVICE=0\" ends them";
const NAMED: &str = "containers of tasks are named after their task";
const LIMITED: &str = "the limits of a container come from its service: \"skep service update\"";
const BUILT: &str = "images are built elsewhere and pushed to a registry";
const PUSHED: &str = "images are pushed from where they were built";
const LOADED: &str =
    "images come from registries, or from archives of \"docker save\" by \"skep image load\"";
const COPIED: &str = "\"skep cp CONTAINER:/ -\" writes the files of a container as a tar archive";
const SEARCHED: &str = "registries are searched on their own pages";
const OVERLAY: &str = "networks of one's own are not supported yet; each task has an address on its node";
const MOUNTED: &str =
    "secrets and configs are not supported yet; mount a file of the node with \"--mount type=bind\"";
const STACKED: &str =
    "stacks are not supported yet; create each service of the file with \"skep service create\"";
const PLUGIN: &str = "Skep has no plugins";
const TRUST: &str =
    "signatures are not checked; name images by digest: IMAGE@sha256:..., as services keep them";
const MANIFEST: &str = "lists of manifests are made where images are built";
const CHECKPOINT: &str = "checkpoints are not supported";
const CLUSTER_VOLUME: &str = "volumes belong to one node and have nothing to update";

const fn absent(words: &'static str, instead: &'static str) -> Absent {
    Absent { words, instead }
}

pub(crate) const ABSENT: [Absent; 37] = [
    absent("build", BUILT),
    absent("builder", BUILT),
    absent("checkpoint", CHECKPOINT),
    absent("commit", BUILT),
    absent("config", MOUNTED),
    absent("container commit", BUILT),
    absent("container create", RUN),
    absent("container export", COPIED),
    absent("container pause", SCALED),
    absent("container rename", NAMED),
    absent("container restart", REPLACED),
    absent("container run", RUN),
    absent("container start", REPLACED),
    absent("container unpause", SCALED),
    absent("container update", LIMITED),
    absent("create", RUN),
    absent("export", COPIED),
    absent("image build", BUILT),
    absent("image import", LOADED),
    absent("image push", PUSHED),
    absent("import", LOADED),
    absent("manifest", MANIFEST),
    absent("network", OVERLAY),
    absent("pause", SCALED),
    absent("plugin", PLUGIN),
    absent("push", PUSHED),
    absent("rename", NAMED),
    absent("restart", REPLACED),
    absent("run", RUN),
    absent("search", SEARCHED),
    absent("secret", MOUNTED),
    absent("stack", STACKED),
    absent("start", REPLACED),
    absent("trust", TRUST),
    absent("unpause", SCALED),
    absent("update", LIMITED),
    absent("volume update", CLUSTER_VOLUME),
];

/// What helps whoever typed a command that only docker has.
pub(crate) fn instead_of(words: &str) -> Option<&'static str> {
    ABSENT.iter().find(|absent| absent.words == words).map(|absent| absent.instead)
}
