# shellcheck shell=bash
# What the scripts of this folder share. Sourced, never run.

BOLUS_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/bolus
# Used by the scripts that source this file.
# shellcheck disable=SC2034
TOOLS=$BOLUS_CACHE/tools VENV=$BOLUS_CACHE/venv
# Outside the checkout, so that a fresh clone compiles no dependency again.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$BOLUS_CACHE/target}

have() { command -v "$1" >/dev/null 2>&1; }

say() { echo "$(basename "$0"): $*" >&2; }

die() {
    say "$*"
    exit 1
}

# Runs a command and shows what it printed only if it fails.
quietly() {
    local log status=0
    log=$(mktemp)
    "$@" >"$log" 2>&1 || status=$?
    if [ "$status" -ne 0 ]; then
        cat "$log" >&2
        say "failed with status $status: $*"
    fi
    rm -f "$log"
    return "$status"
}
