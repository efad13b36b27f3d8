# SPDX-License-Identifier: LGPL-2.1-or-later
"""qemu.py - a recent QEMU beside Debian 12's own, for what needs vfio-user.

Its packages come from trixie-backports by the machine's own apt sources into a package database of
their own: nothing is installed, no root is needed, and no chroot. They run by their own dynamic
loader out of the cache directory.
"""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import image

PACKAGES = ["qemu-system-x86/trixie-backports", "qemu-system-common/trixie-backports",
            "qemu-system-data/trixie-backports", "seabios/trixie-backports", "ipxe-qemu"]
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Packages that only installing needs, not running.
SKIP = ("dpkg_", "perl-base_", "debconf_", "init-system", "systemd_", "tar_", "coreutils_")
LAUNCHER = """#!/bin/sh
r=$(dirname "$(readlink -f "$0")")/root
l=$r/usr/lib/x86_64-linux-gnu
export QEMU_MODULE_DIR="$l/qemu"
exec "$r/usr/lib64/ld-linux-x86-64.so.2" --library-path "$l:$l/pulseaudio:$r/lib/x86_64-linux-gnu" \\
	--argv0 qemu-system-x86_64 "$r/usr/bin/qemu-system-x86_64" \\
	-L "$r/usr/share/qemu" -L "$r/usr/share/seabios" -L "$r/usr/lib/ipxe/qemu" "$@"
"""


def mirror():
    """The Debian mirror of this machine's apt."""
    for path in sorted(pathlib.Path("/etc/apt/sources.list.d").glob("*.sources")):
        found = re.search(r"^URIs:\s*(\S+/debian)/?\s*$", path.read_text(), re.M)
        if found:
            return found.group(1)
    text = pathlib.Path("/etc/apt/sources.list").read_text()
    return re.search(r"^deb\s+(?:\[[^\]]*\]\s+)?(\S+/debian)/?\s", text, re.M).group(1)


def apt_options(tmp):
    values = {"Dir::Etc::SourceList": tmp / "sources.list", "Dir::Etc::SourceParts": "/nonexistent",
              "Dir::Etc::Preferences": "/nonexistent",
              "Dir::Etc::PreferencesParts": "/nonexistent", "Dir::State::Lists": tmp / "lists",
              "Dir::State::status": tmp / "status", "Dir::Cache": tmp,
              "Dir::Cache::archives": tmp / "archives", "Acquire::Languages": "none",
              "APT::Install-Recommends": "false", "Debug::NoLocking": "1",
              "APT::Sandbox::User": "root"}
    return [word for key, value in values.items() for word in ("-o", f"{key}={value}")]


def fetch(home):
    with tempfile.TemporaryDirectory(dir=image.cache_dir()) as name:
        tmp = pathlib.Path(name)
        (tmp / "lists/partial").mkdir(parents=True)
        (tmp / "archives/partial").mkdir(parents=True)
        (tmp / "status").touch()
        (tmp / "sources.list").write_text(
            "".join(f"deb [signed-by={KEYRING}] {mirror()} {suite} main\n"
                    for suite in ("trixie", "trixie-backports")))
        quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(["apt-get", *apt_options(tmp), "-q", "update"], **quiet)
        subprocess.run(["apt-get", *apt_options(tmp), "-q", "-y", "--download-only", "install",
                        *PACKAGES], **quiet)
        for deb in sorted((tmp / "archives").glob("*.deb")):
            if not deb.name.startswith(SKIP):
                subprocess.run(["dpkg", "-x", deb, home / "root"], **quiet)
    for extra in ("doc", "man", "locale"):
        shutil.rmtree(home / "root/usr/share" / extra, ignore_errors=True)


def recent():
    """Path of a launcher for QEMU 10.1 or later, fetched on first use; None where it is not to be had."""
    home = image.cache_dir() / "qemu-trixie"
    launcher = home / "qemu-system-x86_64"
    if not launcher.exists():
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        try:
            fetch(home)
        except (subprocess.CalledProcessError, AttributeError):
            return None
        launcher.write_text(LAUNCHER)
        os.chmod(launcher, 0o755)
    return launcher


if __name__ == "__main__":
    print(recent())
