# Recipes for people. CI runs .ci/run; `just ci` is the same.

# Lists the recipes.
default:
    @just --list --unsorted

# A whole store in this process; Ctrl-C ends it and keeps the data.
dev *ARGS:
    cargo run --release --bin quorate -- dev {{ ARGS }}

# Builds everything, optimised.
build:
    cargo build --workspace --release

# All tests.
test *ARGS:
    cargo test --workspace {{ ARGS }}

# Formatting, clippy and rustdoc, with warnings as errors.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Formats the code.
format:
    cargo fmt --all

# Licences, banned crates and sources; needs no network after `cargo fetch`.
deny:
    cargo deny check bans licenses sources

# Known vulnerabilities; asks the RustSec database.
advisories:
    cargo deny check advisories

# Plants each bug of docs/protocol.md and demands that the simulation finds it.
simulate *ARGS:
    cargo test -p quorate-simulation --features mutations {{ ARGS }} -- --nocapture

# Simulates over real HTTP/2: the seeds that WIRE_SEEDS names, or those of CI.
simulate-wire *ARGS:
    cargo test -p quorate-simulation --test wire {{ ARGS }} -- --nocapture

# Simulates 100,000 further seeds, each twice, optimised; goes on where it was interrupted, and
# stops at the first finding. `just soak --help` names the options.
soak *ARGS:
    cargo run --profile soak -p quorate-simulation --example soak -- {{ ARGS }}

# The tests that need a Kubernetes cluster, against the one that KUBECONFIG or ~/.kube/config names; with the images of
# `just kind-up` unless QUORATE_VALUES and QUORATE_NEXT_VALUES name others.
e2e *ARGS:
    QUORATE_VALUES="${QUORATE_VALUES:-target/kind/values.yaml}" QUORATE_NEXT_VALUES="${QUORATE_NEXT_VALUES:-target/kind/next-values.yaml}" \
        scripts/kubernetes-tests {{ ARGS }}

# Explores the protocol exhaustively, and prints a shortest counterexample of each planted bug.
model *ARGS:
    cargo run -p quorate-model --example model -- {{ ARGS }}

# Kills real replicas with SIGKILL under load, again and again.
crash *ARGS:
    cargo test -p quorate-replica --test crash {{ ARGS }} -- --nocapture

# Compares with etcd 3.6, which is on the PATH or named by --etcd FILE. Half an hour on a
# machine that does nothing else; --quick, four minutes, shows that it works.
bench-etcd *ARGS:
    cargo build --profile dist -p quorate-cli -p quorate-replica -p quorate-coordinator -p quorate-benchmark
    mkdir -p target docs/images
    target/dist/bench-etcd --folder target --output target/bench-etcd.json --picture docs/images/bench-etcd.svg {{ ARGS }}

# How often, and for how many bytes, each role asks its allocator in one Set and Get. It takes
# etcd too, as bench-etcd does, and two minutes.
bench-allocations *ARGS:
    cargo build --release -p quorate-cli -p quorate-replica -p quorate-coordinator -p quorate-benchmark --features quorate-runtime/allocation-counts --target-dir target/allocations
    target/allocations/release/bench-etcd --folder target --quick --only allocations {{ ARGS }}

# The hot pieces by themselves, by Criterion, which compares with its run before: NAMES of some,
# or all of them in five minutes.
bench-pieces *NAMES:
    cargo bench -p quorate-benchmark -- {{ NAMES }}

# How many instructions each role takes for one Set and Get, by callgrind, which Valgrind brings.
instructions *ARGS:
    cargo build --release -p quorate-cli -p quorate-replica -p quorate-coordinator
    scripts/instructions {{ ARGS }}

# Where the processor time of a running program goes: PID, and how many seconds to watch it.
cpu-profile *ARGS:
    scripts/cpu-profile {{ ARGS }}

# The three images, with docker or buildah.
images *ARGS:
    scripts/images {{ ARGS }}

# A kind cluster with the store in it, built from here; again after a change to upgrade it.
kind-up *ARGS:
    deploy/kind/up {{ ARGS }}

# Ends that cluster and all its data.
kind-down:
    kind delete cluster --name quorate

# Tests the chart: renders, refusals, lints. QUORATE_CHART_CLUSTER=1 asks an API server too.
chart *ARGS:
    scripts/chart-tests {{ ARGS }}

# Types docs/operations.md into the cluster that kubectl reaches; --values FILE names the images.
operations *ARGS:
    scripts/operations {{ ARGS }}

# What CI runs.
ci:
    .ci/run
