#!/usr/bin/env bash
# Puts MicroPython, the firmware and the keys of a neighbourhood onto one board. docs/boards.md explains it.
set -euo pipefail

top=$(cd -- "$(dirname -- "$0")" && pwd)
AIOBLE=0.6.2

usage() {
    cat <<'END'
Usage: ./flash.sh PORT --board KIND --name NAME --mesh-key-file FILE [--trace]
                  [--battery-pin NUMBER] [--image FILE] [--dry-run]

  PORT                  the board's serial port
  --board KIND          a file of boards/ without .toml: esp32, esp32-s3, esp32-c3
  --name NAME           what you call this board; names its pairing key file too
  --mesh-key-file FILE  the key of your neighbourhood, the same for all its boards; made on first use
  --trace               this board answers `hedgerow trace` and passes it on; without it, it does neither
  --battery-pin NUMBER  the pin that measures the battery, behind two equal resistors
  --image FILE          MicroPython's .bin: erase the board and write this first (a new board needs it)
  --dry-run             print the steps; touch neither the board nor any file

Example: ./flash.sh /dev/ttyUSB0 --board esp32 --name mill --mesh-key-file ~/hedgerow/mesh.key \
             --image ~/Downloads/ESP32_GENERIC-20250415-v1.25.0.bin
END
}

die() {
    printf 'flash.sh: %s\n' "$*" >&2
    exit 1
}

port='' board='' name='' mesh_key_file='' image='' dry_run=''
more=()
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage && exit 0 ;;
        --dry-run) dry_run=1 ;;
        --trace) more+=(--trace) ;;
        --board | --name | --mesh-key-file | --battery-pin | --image)
            [ $# -gt 1 ] || die "$1 needs a value: see ./flash.sh --help."
            case $1 in
                --board) board=$2 ;;
                --name) name=$2 ;;
                --mesh-key-file) mesh_key_file=$2 ;;
                --battery-pin) more+=("--battery-pin=$2") ;;
                --image) image=$2 ;;
            esac
            shift
            ;;
        -*) die "There is no option $1: see ./flash.sh --help." ;;
        *)
            [ -z "$port" ] || die "Two ports are named, $port and $1: flash one board at a time."
            port=$1
            ;;
    esac
    shift
done
[ -n "$port" ] || die "No port is named: see ./flash.sh --help."
[ -n "$board" ] || die "Say with --board which kind of board it is: see ./flash.sh --help."
[ -n "$name" ] || die "Give the board a name with --name: see ./flash.sh --help."
[ -n "$mesh_key_file" ] || die "Name the file of the mesh key with --mesh-key-file: see ./flash.sh --help."

kinds=$(cd "$top/boards" && printf '%s\n' *.toml | sed 's/\.toml$//' | LC_ALL=C sort | tr '\n' ' ' | sed 's/ $//')
case " $kinds " in
    *" $board "*) ;;
    *) die "There is no board $board: it is one of $kinds." ;;
esac

# The value of one key of the board's file.
setting() {
    sed -n "s/^$1 = \"\(.*\)\"\$/\1/p" "$top/boards/$board.toml"
}

micropython="$(setting image)-<date>-v$(setting version).bin"
if [ -n "$image" ]; then
    [ -r "$image" ] || die "There is no image $image: get $micropython from MicroPython's download page."
    case $image in
        *.bin) ;;
        *) die "$image is no .bin file: get $micropython from MicroPython's download page." ;;
    esac
fi

if [ -z "$dry_run" ]; then
    [ -e "$port" ] || die "There is nothing at $port: plug the board in, and check the name."
    if ! { [ -r "$port" ] && [ -w "$port" ]; }; then
        group=$(stat -c %G "$port" 2>/dev/null || true)
        case $group in '' | root | nogroup | UNKNOWN) group=dialout ;; esac
        die "You may not use $port: join the group $group (\`sudo usermod -aG $group \$USER\`) and log in again."
    fi
    PATH=$PATH:$top/.venv/bin
    mpremote=$(command -v mpremote) || die "mpremote is missing: install it (\`pipx install mpremote\`) and try again."
    esptool=$(command -v esptool || command -v esptool.py || true)
    [ -z "$image" ] || [ -n "$esptool" ] ||
        die "esptool is missing: install it (\`pipx install esptool\`) and try again."
fi
python=$top/.venv/bin/python
[ -x "$python" ] || python=$(command -v python3) || die "Python is missing: run \`make setup\` and try again."

provision=("$python" "$top/tools/provision")
settings=("--name=$name" "--mesh-key-file=$mesh_key_file" "--profile=$(setting profile)" ${more[@]+"${more[@]}"})
keys=$("${provision[@]}" build --check "${settings[@]}" nowhere) || exit 1

out=out log=''
if [ -z "$dry_run" ]; then
    out=$(mktemp -d)
    log=$out/log
    trap 'rm -rf "$out"' EXIT
fi

# step TITLE TRIES COMMAND …: say it, do it, and tell in one sentence where it fails.
number=0
step() {
    local title=$1 tries=$2 reason
    shift 2
    number=$((number + 1))
    printf '%2d. %s\n' "$number" "$title"
    if [ -n "$dry_run" ]; then
        printf '    %s\n' "$(printf '%q ' "$@")"
        return
    fi
    until "$@" >"$log" 2>&1 </dev/null; do
        tries=$((tries - 1))
        if [ "$tries" -le 0 ]; then
            reason=$(tr '\r' '\n' <"$log" | grep . | tail -n 1 || true)
            die "Step $number failed ($title: ${reason:-no reason given}): mend that and run flash.sh again."
        fi
        sleep 1
    done
}

tool=${mpremote:-mpremote}
flasher=("${esptool:-esptool}" --chip "$(setting chip)" --port "$port")
# An earlier version kept the keys in /settings.
away="import os; [os.remove(name) for name in ('main.py', 'settings') if name in os.listdir()]"
step "Build the firmware and the settings" 1 "${provision[@]}" build "${settings[@]}" "$out/board"
if [ -n "$image" ]; then
    step "Erase the flash" 1 "${flasher[@]}" erase_flash
    step "Write MicroPython" 1 "${flasher[@]}" --baud 460800 write_flash "$(setting offset)" "$image"
    step "Wait until the port is back" 20 test -e "$port"
fi
step "Stop what runs on the board" 3 "${provision[@]}" escape "$port"
step "Take main.py away until all is there" 5 "$tool" connect "$port" exec "$away"
step "Copy the firmware" 1 "$tool" connect "$port" fs cp -r "$out/board/lib" :
step "Install aioble $AIOBLE (needs the internet)" 1 "$tool" connect "$port" mip install "aioble@$AIOBLE"
step "Copy the settings" 1 "$tool" connect "$port" fs cp "$out/board/settings.a" :settings.a
step "Copy the settings again" 1 "$tool" connect "$port" fs cp "$out/board/settings.b" :settings.b
step "Copy main.py" 1 "$tool" connect "$port" fs cp "$out/board/main.py" :main.py
step "Start the board" 1 "$tool" connect "$port" reset

if [ -n "$dry_run" ]; then
    echo "Nothing was done."
else
    printf '%s runs Hedgerow now.\n%s\n' "$name" "$keys"
fi
