# shellcheck shell=bash disable=SC2034  # it is sourced: the scripts use what it sets
# Shared by scripts/build-image and the scripts of testcluster/ (sourced, not run): where things are, which container engine runs
# here, whether it reaches a registry, and images that are built only when what they are made of has changed.
set -euo pipefail
PROJECT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TESTCLUSTER=$PROJECT/testcluster
# shellcheck source=../testcluster/versions.env
. "$TESTCLUSTER/versions.env"
CACHE=${TESTCLUSTER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/profile-image-sync/testcluster}
COMMON=$CACHE/bin  # programs of the Kubernetes that tests use by themselves, and what goes with any
BIN=$COMMON; [ "$KUBERNETES_MINOR" = 1.34 ] || BIN=$COMMON-$KUBERNETES_MINOR
NODE_IMAGE=localhost/kind-node:$KUBERNETES_VERSION  # made by build-node-image
mkdir -p "$BIN"
export PATH=$BIN:$PATH KUBECACHEDIR=$CACHE/kubectl

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
quietly() {  # a command whose output is of interest only when it fails
  local log; log=$(mktemp)
  "$@" >"$log" 2>&1 || { cat "$log" >&2; rm "$log"; return 1; }
  rm "$log"
}
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# Docker where its engine answers, else Podman; TESTCLUSTER_ENGINE=docker|podman decides otherwise. Podman gets settings that also
# suit a machine without CAP_SYS_RESOURCE and with hybrid cgroups: runc (crun refuses those), limits that conmon can set.
choose_engine() {
  ENGINE=${TESTCLUSTER_ENGINE:-}
  [ -n "$ENGINE" ] || { docker info >/dev/null 2>&1 && ENGINE=docker; } || ENGINE=podman
  command -v "$ENGINE" >/dev/null || die "no container engine: install and start Docker or Podman"
  [ "$ENGINE" = podman ] || return 0
  export KIND_EXPERIMENTAL_PROVIDER=podman
  [ "$(uname -s)" = Linux ] || return 0  # elsewhere podman talks to its own machine
  local nofile; nofile=$(ulimit -Hn); [ "$nofile" = unlimited ] && nofile=1048576
  export CONTAINERS_CONF=$CACHE/containers.conf
  printf '[containers]\ndefault_ulimits = ["nofile=%s:%s", "nproc=32768:32768"]\n[engine]\nruntime = "runc"\n' \
    "$nofile" "$nofile" > "$CONTAINERS_CONF.$$"
  mv "$CONTAINERS_CONF.$$" "$CONTAINERS_CONF"  # whole at any moment: other scripts may be running
}

# Whether a registry can be reached: TESTCLUSTER_REGISTRY=yes|no, else one small pull, given up after 20 seconds.
registry_reachable() {
  if [ -z "${TESTCLUSTER_REGISTRY:-}" ]; then
    local bound=(); command -v timeout >/dev/null && bound=(timeout 20)
    if ${bound[@]+"${bound[@]}"} "$ENGINE" pull -q "registry.k8s.io/pause:$PAUSE_VERSION" >/dev/null 2>&1
    then TESTCLUSTER_REGISTRY=yes; else TESTCLUSTER_REGISTRY=no; fi
    say "container registry reachable: $TESTCLUSTER_REGISTRY"
    export TESTCLUSTER_REGISTRY
  fi
  [ "$TESTCLUSTER_REGISTRY" = yes ]
}

image_id() { "$ENGINE" image inspect --format '{{.Id}}' "$1" 2>/dev/null; }
have_image() { image_id "$1" >/dev/null; }

# save_images FILE IMAGE...: into one archive, under the names that they have here.
save_images() {
  local options=(); [ "$ENGINE" = podman ] && options=(-q -m)
  "$ENGINE" save ${options[@]+"${options[@]}"} -o "$@"
}

# fingerprint PATH...: one hash over files and folders, by name and content.
fingerprint() {
  python3 - "$@" <<'PY'
import hashlib, pathlib, sys
total = hashlib.sha256()
for top in map(pathlib.Path, sys.argv[1:]):
    files = sorted(p for p in top.rglob("*") if p.is_file()) if top.is_dir() else [top]
    for path in (p for p in files if "__pycache__" not in p.parts):
        total.update(str(path.relative_to(top.parent)).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
print(total.hexdigest())
PY
}

# built_from IMAGE FINGERPRINT: whether IMAGE is here and was built from that; build it with `--label inputs=FINGERPRINT`.
built_from() {
  [ "$("$ENGINE" image inspect --format '{{index .Config.Labels "inputs"}}' "$1" 2>/dev/null)" = "$2" ]
}

# debian_image IMAGE PACKAGE...: an image of Debian with these packages; from the public one, or without a registry by mmdebstrap.
debian_image() {
  local image=$1 packages; shift; packages=$(IFS=,; echo "$*")
  built_from "$image" "$DEBIAN_SUITE,$packages" && return
  say "$image: Debian $DEBIAN_SUITE with $*"
  local label="LABEL inputs=$DEBIAN_SUITE,$packages"
  if registry_reachable; then
    printf '%s\n' "FROM debian:$DEBIAN_SUITE-slim" "RUN apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
--no-install-recommends $* && rm -rf /var/lib/apt/lists/*" "$label" | engine_build -t "$image" -
    return
  fi
  command -v mmdebstrap >/dev/null || die "no container registry can be reached; on Debian, run testcluster/install-tools as root"
  mkdir -p "$CACHE/debian"
  local tar=$CACHE/debian/$DEBIAN_SUITE-${image//[^a-z0-9.]/-}.tar
  quietly mmdebstrap --quiet --format=tar --variant=minbase --include="$packages" \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' "$DEBIAN_SUITE" "$tar"
  quietly "$ENGINE" import --change "$label" "$tar" "$image"
  rm "$tar"
}

engine_build() {  # quiet; Podman would leave a nameless image for each step, and what is built here is built whole
  local options=(-q); [ "$ENGINE" = podman ] && options+=(--layers=false)
  quietly "$ENGINE" build "${options[@]}" "$@"
}

# build_image IMAGE FINGERPRINT CONTEXT DOCKERFILE [OPTION...]: build with the fingerprint as label, in place of an older one.
build_image() {
  local image=$1 inputs=$2 context=$3 file=$4 old; shift 4
  say "building $image"
  old=$(image_id "$image") || true
  engine_build -t "$image" --label "inputs=$inputs" -f "$file" "$@" "$context"
  [ -z "$old" ] || [ "$old" = "$(image_id "$image")" ] || "$ENGINE" image rm "$old" >/dev/null 2>&1 || true  # in use: it stays
}
