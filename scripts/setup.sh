#!/bin/sh
# Makes the virtual environment a checkout needs, and the system libraries where it may.
# Usage: PYTHON=python3.11 sh scripts/setup.sh .venv
set -eu
venv=$1
python=${PYTHON:-python3.11}

# Open3D, Qt and RealSense load these; the last two lines are for windows on a virtual screen.
packages="libusb-1.0-0 libegl1 libgl1 libglib2.0-0 libx11-6 libdbus-1-3 libfontconfig1 libfreetype6
libxkbcommon0 libgomp1 libx11-xcb1 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1
libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-xkb1 libxkbcommon-x11-0
xvfb xauth fonts-dejavu-core"

if command -v dpkg-query >/dev/null 2>&1; then
    missing=""
    for package in $packages; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            missing="$missing $package"
    done
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        missing="$missing python3-venv"
    fi
    if [ -n "$missing" ]; then
        line="apt-get install -y --no-install-recommends$missing"
        if [ "$(id -u)" = 0 ]; then
            echo "Installing system libraries:$missing"
            apt-get update -qq
            DEBIAN_FRONTEND=noninteractive $line >/dev/null
        elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
            echo "Installing system libraries with sudo:$missing"
            sudo apt-get update -qq
            sudo DEBIAN_FRONTEND=noninteractive $line >/dev/null
        else
            echo "Some system libraries are missing. If what follows fails, type this line first:"
            echo "    sudo $line"
        fi
    fi
fi

if ! command -v "$python" >/dev/null 2>&1; then
    python=python3
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then
    echo "Finescan needs Python 3.11; '$python' is $("$python" --version 2>&1)."
    echo "Install it (Debian 12: apt-get install python3 python3-venv) or name it: make PYTHON=..."
    exit 2
fi

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
echo "Installing Python packages; the first time this takes a minute or two."
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -e ".[cpu,dev]"
