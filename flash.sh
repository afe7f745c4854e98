#!/usr/bin/env bash
# Makes a board one of your mesh: hedgerow flash, with the same options. docs/boards.md explains it.
set -euo pipefail

top=$(cd -- "$(dirname -- "$0")" && pwd)
hedgerow=$top/.venv/bin/hedgerow
[ -x "$hedgerow" ] || hedgerow=$(command -v hedgerow) || {
    echo "flash.sh: Setting up hedgerow in .venv, once." >&2
    make --silent -C "$top" .cache/venv.stamp >&2 || {
        echo "flash.sh: There is no hedgerow here: run \`make setup\` and try again." >&2
        exit 1
    }
    hedgerow=$top/.venv/bin/hedgerow
}
exec "$hedgerow" flash "$@"
