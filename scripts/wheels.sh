# shellcheck shell=bash
# What goes into our images, made on this machine with hashes checked (sourced after containers.sh, not run).
VENV_PYTHON=$PROJECT/.venv/bin/python
[ -x "$VENV_PYTHON" ] || "$PROJECT/scripts/setup" >&2

# python_base: the name of a base image with Python; the public one, or without a registry one made of Debian's packages.
python_base() {
  if registry_reachable; then echo "$PYTHON_IMAGE"; return; fi
  local image=localhost/python-base:$DEBIAN_SUITE
  debian_image "$image" python3 ca-certificates
  echo "$image"
}

# wheelhouse FOLDER REQUIREMENTS: the wheels for Linux on this processor; made anew only when the requirements have changed.
wheelhouse() {
  local folder=$1 requirements=$2 machine stamp platform platforms=()
  stamp=$(fingerprint "$requirements")
  [ "$(cat "$folder/.made-from" 2>/dev/null)" = "$stamp" ] && return
  say "wheels of $requirements"
  rm -rf "$folder"; mkdir -p "$folder"
  machine=$(uname -m); machine=${machine/arm64/aarch64}
  for platform in manylinux_2_36 manylinux_2_35 manylinux_2_34 manylinux_2_31 manylinux_2_28 manylinux_2_27 manylinux_2_24 \
    manylinux_2_17 manylinux2014; do platforms+=(--platform "${platform}_$machine"); done
  "$VENV_PYTHON" -m pip download --quiet --require-hashes --no-deps --only-binary=:all: --implementation cp \
    --python-version "$PYTHON_VERSION" "${platforms[@]}" -d "$folder" -r "$requirements"
  echo "$stamp" > "$folder/.made-from"
}

# own_wheel FOLDER: the wheel of profile-image-sync, in place of an older one; the build backend is that of requirements/dev.txt.
own_wheel() {
  rm -f "$1"/profile_image_sync-*.whl
  quietly "$VENV_PYTHON" -m hatchling build --target wheel --directory "$1"
}
