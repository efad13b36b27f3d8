#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""rom.py - a guest's firmware boots from the expansion ROM that we serve: iPXE, with a driver of its own
for each card, gets an address from the NAT."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

import kit
import qemu

CARDS = [("Am79C970A", "pcnet", "pcnet32"), ("Am79C973", "pcnet", "pcnet32"),
         ("82540EM", "e1000", "82540em")]


def boot(home, model, rom, driver):
    path = qemu.recent().parent / f"root/usr/share/qemu/pxe-{rom}.rom"
    socket = home / f"{model}.sock"
    console = home / f"{model}.console"
    card = subprocess.Popen(
        [kit.BUILD / "tests/guests/run-card", f"vfio-user,path={socket},rom={path}", model, "nat"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert card.stdout.readline() == "ready\n"
    guest = subprocess.Popen(
        [qemu.recent(), "-accel", "tcg", "-nodefaults", "-no-reboot", "-display", "none", "-vga", "none",
         "-machine", "pc,memory-backend=mem,graphics=off", "-m", "64",
         "-object", "memory-backend-memfd,id=mem,size=64M,share=on", "-serial", f"file:{console}",
         "-device", '{"driver":"vfio-user-pci","bootindex":0,"socket":'
                    '{"type":"unix","path":"%s"}}' % socket],
        stdin=subprocess.DEVNULL)

    def said(words):
        return console.exists() and words in console.read_bytes()

    try:
        kit.wait_for(f"iPXE's driver on {model}", lambda: said(f"using {driver}".encode()), 60)
        kit.wait_for(f"an address for {model}", lambda: said(b"net0: 10.0.2.15/"), 60)
    finally:
        guest.kill()
        guest.wait()
        card.stdin.close()
    assert card.wait(20) == 0


def main():
    if not qemu.recent():
        print("1..0 # SKIP a QEMU with vfio-user is not to be had from this machine's package mirror")
        return 0
    print(f"1..{len(CARDS)}")
    home = pathlib.Path(tempfile.mkdtemp(prefix="jf-"))
    try:
        for number, (model, rom, driver) in enumerate(CARDS, 1):
            boot(home, model, rom, driver)
            print(f"ok {number} {model}", flush=True)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
