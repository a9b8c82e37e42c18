# Sourced by the scripts: says what is being done and how long it took.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

step() {  # step TITLE COMMAND...: run it, print how long it took
  local title=$1 started=$SECONDS; shift
  printf '==> %s\n' "$title"
  "$@"
  printf '    %s: %d s\n' "$title" $((SECONDS - started))
}
