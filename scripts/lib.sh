# Sourced by the scripts: says what is being done and how long it took.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

step() {  # step TITLE COMMAND...: run it, print how long it took
  local title=$1 started=$SECONDS; shift
  printf '==> %s\n' "$title"
  "$@"
  printf '    %s: %d s\n' "$title" $((SECONDS - started))
}

side_by_side() {  # side_by_side COMMAND...: run commands without arguments at the same time; fails if one of them fails
  local command pid pids=() status=0
  for command in "$@"; do "$command" & pids+=($!); done
  for pid in "${pids[@]}"; do wait "$pid" || status=$?; done
  return "$status"
}
