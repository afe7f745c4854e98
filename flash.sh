#!/usr/bin/env bash
# Makes a board one of your mesh: hedgerow flash, with the same options. docs/boards.md explains it.
set -euo pipefail

top=$(cd -- "$(dirname -- "$0")" && pwd)
hedgerow=$top/.venv/bin/hedgerow
[ -x "$hedgerow" ] || hedgerow=$(command -v hedgerow) || {
    echo "flash.sh: There is no hedgerow here: run \`make setup\` and try again." >&2
    exit 1
}
exec "$hedgerow" flash "$@"
