# shellcheck shell=bash
# Sourced by the scripts beside it: makes the checkout's .venv, or does nothing when it is current.
#
#   setup runtime    what the deploytail command needs
#   setup dev        that and what the tests and checks need
#   run COMMAND…     runs a command that ends with this script, whatever ends it
#
# Messages go to standard error, so a command's own output stays clean.

unset CDPATH PYTHONHOME PYTHONPATH PIP_PREFIX PIP_TARGET PIP_USER UV_SYSTEM_PYTHON VIRTUAL_ENV
root=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.." && pwd -P)
venv=$root/.venv
log=$venv/setup.log
child=

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

stop() {
    trap - HUP INT TERM
    if [ -n "$child" ]; then
        kill -- "-$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
    fi
    exit "$1"
}
trap 'stop 129' HUP
trap 'stop 130' INT
trap 'stop 143' TERM

# In the background, because a shell runs a trap only once its foreground command has ended, and
# with job control, so that the child leads a process group that can be ended as a whole.
start() {
    set -m
    "$@" </dev/null &
    child=$!
    set +m
}

finish() {
    local rc=0
    wait "$child" || rc=$?
    child=
    return "$rc"
}

run() { start "$@" && finish; }

version_of() { "$1" -ISc 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null; }

# What an environment is tied to: its place, its interpreter, and the one that was asked for.
identity() {
    local version
    version=$(version_of "$venv/bin/python") || return
    printf '%s, Python %s, asked for %s\n' "$root" "$version" \
        "${DEPLOYTAIL_PYTHON:-$(cat "$venv/.setup-python" 2>/dev/null)}"
}

# All that an environment is made from, in full, so that comparing needs no hash tool.
recipe() {
    identity && cat "$root/pyproject.toml" "$root/scripts/requirements.txt"
    [ "$1" = runtime ] || cat "$root/scripts/requirements-dev.txt"
}

is_current() {
    [ -f "$venv/.setup-$1" ] && [ ! -e "$venv/.setup-busy" ] && [ -x "$venv/bin/deploytail" ] &&
        [ "$(recipe "$1")" = "$(cat "$venv/.setup-$1")" ]
}

# Whether packages may be added to the environment there is; when in doubt it is made afresh.
is_sound() {
    [ -f "$venv/.setup-runtime" ] && [ ! -e "$venv/.setup-busy" ] &&
        [ "$(identity)" = "$(head -n 1 "$venv/.setup-runtime")" ] &&
        { [ "$installer" = uv ] || "$venv/bin/python" -c 'import pip' 2>/dev/null; }
}

# Prints the interpreter behind $1, which may be a shim or a virtual environment, or what it lacks.
probe() {
    "$1" -c '
import sys
version = "%d.%d.%d" % sys.version_info[:3]
if sys.version_info < (3, 11):
    print("old " + version)
    sys.exit()
if sys.argv[1] == "pip":
    try:
        import venv, ensurepip
    except ImportError:
        print("bare " + version)
        sys.exit()
print("good " + (getattr(sys, "_base_executable", None) or sys.executable))
' "$installer" 2>/dev/null
}

# Sets python, or ends with one sentence that says what to do.
find_python() {
    local candidate found problem='' unusable='none is on PATH' other='install a newer one'
    set -- python3 python3.14 python3.13 python3.12 python3.11
    if [ -n "${DEPLOYTAIL_PYTHON:-}" ]; then
        set -- "$DEPLOYTAIL_PYTHON"
        unusable="$1 (from DEPLOYTAIL_PYTHON) does not run"
    fi
    for candidate; do
        found=$(probe "$candidate" </dev/null) || continue
        case $found in
            'good '*)
                python=${found#good }
                return
                ;;
            'bare '*)
                problem="$candidate (Python ${found#bare }) has no venv and ensurepip modules"
                other='add them (on Debian and Ubuntu: apt-get install python3-venv), install uv'
                ;;
            'old '*) problem=${problem:-"$candidate is Python ${found#old }"} ;;
        esac
    done
    if [ "$installer" = uv ] && [ -z "${DEPLOYTAIL_PYTHON:-}" ]; then
        say 'no Python 3.11 or newer on PATH, so asking uv for one'
        run uv python install --quiet 3.13 2>/dev/null || true
        python=$(uv python find --quiet --system --no-project '>=3.11' 2>/dev/null) && return
    fi
    die "Python 3.11 or newer is needed, but ${problem:-$unusable}:" \
        "$other, or name one with DEPLOYTAIL_PYTHON=/path/to/python3."
}

# Held by this open file, and by a child that outlives a killed set-up, so it can never go stale.
lock() {
    exec 9<"$root/scripts/setup.sh"
    "$python" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)' 2>/dev/null && return
    say 'waiting for another set-up of this checkout'
    run "$python" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)' || true
}

# Runs one slow step with its chatter in the log and a sign of life every five seconds.
step() {
    local next=$((SECONDS + 5))
    start "$@" >>"$log" 2>&1
    while kill -0 "$child" 2>/dev/null; do
        sleep 0.1
        if [ "$SECONDS" -ge "$next" ]; then
            next=$((SECONDS + 5))
            say "... $SECONDS s"
        fi
    done
    finish && return
    # A step that failed while it was still fetching has changed nothing in the environment.
    grep -qE '^(Installing collected|Prepared) ' "$log" || rm -f "$venv/.setup-busy"
    tail -n 20 "$log" >&2
    die "that failed as shown (all of it is in $log): check the network, then run this again."
}

install() {
    if [ "$installer" = uv ]; then
        step uv pip install --python "$venv/bin/python" "$@"
    else
        step "$venv/bin/python" -m pip install --disable-pip-version-check --no-input "$@"
    fi
}

create() {
    [ ! -e "$venv" ] || say 'replacing .venv, which is unfinished, moved or of another Python'
    rm -f "$venv/.setup-runtime" "$venv/.setup-dev"
    rm -rf "$venv" || die "$venv cannot be removed: remove it as its owner, then run this again."
    say "creating .venv with Python $(version_of "$python")"
    mkdir "$venv"
    printf '%s\n' "${DEPLOYTAIL_PYTHON:-}" >"$venv/.setup-python"
    : >"$log"
    if [ "$installer" = uv ]; then
        step uv venv --allow-existing --no-project --python "$python" "$venv"
    else
        step "$python" -m venv "$venv"
    fi
}

make() {
    local level=$1 pins=requirements.txt
    SECONDS=0
    # Packages for the tests, once there, are kept in step with the others.
    [ ! -f "$venv/.setup-dev" ] || level=dev
    [ "$level" = runtime ] || pins=requirements-dev.txt
    is_sound || create
    : >"$log"
    : >"$venv/.setup-busy"
    say "installing $(grep -c '^[a-z]' "$root/scripts/$pins") pinned packages (first time only)"
    install -r "$root/scripts/$pins"
    # The pins hold the build backend, so this fetches nothing.
    install --no-deps --no-build-isolation -e "$root"
    recipe runtime >"$venv/.setup-runtime"
    [ "$level" = runtime ] || recipe dev >"$venv/.setup-dev"
    rm "$venv/.setup-busy"
    say "ready after $SECONDS s"
}

setup() {
    is_current "$1" && return
    [ -w "$root" ] || die "$root is not writable: run this as its owner, or in a clone of your own."
    # A company's proxy is known to the system, seldom to uv's own list of certificates.
    export UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS-1}
    # Without a home there is no cache, and uv will not start unless told so.
    [ -w "${HOME:-/nonexistent}" ] || export PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1
    installer=pip
    ! uv --version >/dev/null 2>&1 || installer=uv
    find_python
    lock
    is_current "$1" || make "$1"
    exec 9<&-
}
