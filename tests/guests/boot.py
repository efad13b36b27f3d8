#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""boot.py - firmware's own drivers boot from our cards: iPXE's for each family runs a script and starts
Linux by TFTP, EDK2's virtio driver loads a program by PXE.
"""
import pathlib
import re
import shutil
import subprocess
import sys

import image
import kit
import qemu

# Of each family one that QEMU's ROM for the family is not labelled for, where there is one.
FAMILIES = ["Am79C970A", "82545EM", "virtio"]
SCRIPT = """#!ipxe
echo @script ${net0/mac} ${net0/ip} ${net0/next-server}
kernel vmlinuz console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on initrd=initrd
initrd initrd
boot
"""
INIT = b"""#!/bin/sh
/bin/busybox echo @linux
exec /bin/busybox poweroff -f
"""
OVMF = pathlib.Path("/usr/share/OVMF")


def tftp_root(home):
    """vmlinuz, an initrd that says so and ends, and the script."""
    root = home / "tftp"
    root.mkdir()
    (root / "boot.ipxe").write_text(SCRIPT)
    shutil.copy(image.bzimage(), root / "vmlinuz")
    cpio = image.Cpio()
    for name in ("dev", "proc", "bin"):
        cpio.dir(name)
    cpio.file("bin/busybox", pathlib.Path(shutil.which("busybox")).read_bytes())
    cpio.link("bin/sh", "busybox")
    cpio.file("init", INIT)
    (root / "initrd").write_bytes(cpio.finish())
    return root


class Firmware:
    """A QEMU without a disk or a kernel: all that it has is the card. Its console is in a file."""

    def __init__(self, lab, daemon, machine, program, run, words):
        self.log = lab.home / f"{machine}.console"
        self.errors = lab.home / f"{machine}.errors"
        argv = [kit.CLI, "run", machine, *run, "--", program, "-accel", "tcg", "-nodefaults",
                "-no-reboot", "-display", "none", "-vga", "none", "-m", "512", "-serial",
                f"file:{self.log}", *words]
        self.process = subprocess.Popen([str(a) for a in argv], env=daemon.env,
                                        stdin=subprocess.DEVNULL, stdout=self.errors.open("wb"),
                                        stderr=subprocess.STDOUT, start_new_session=True)
        lab.callback(self.kill)

    kill = kit.Guest.kill

    def text(self):
        """Without the terminal's control sequences."""
        raw = self.log.read_text(errors="replace") if self.log.exists() else ""
        return re.sub(r"\x1b\[[0-9;=?]*[a-zA-Z]", "", raw)

    def expect(self, pattern, seconds):
        def look():
            found = re.search(pattern, self.text())
            if not found and self.process.poll() is not None:
                found = re.search(pattern, self.text())
                kit.require(found, f"it ended without '{pattern}': {self.errors.read_text()[-500:]}"
                                   f" {self.text()[-1500:]}")
            return found

        try:
            return kit.wait_for(pattern, look, seconds)
        except kit.Failed as error:
            raise kit.Failed(f"{error}; console: {self.text()[-800:]}") from error


def make_machine(daemon, root, name, model, boot_file):
    daemon("createvm", "--name", name, "--ostype", "Debian_64")
    daemon("modifyvm", name, "--nic1", "nat", "--nic-type1", model, "--mac-address1",
           "080027c0ffee", "--nic-boot-prio1", "1", "--nat-tftp-prefix1", root,
           "--nat-tftp-file1", boot_file)


def ipxe(lab, daemon, root, program, model, board):
    name = f"ipxe-{model}"
    make_machine(daemon, root, name, model, "boot.ipxe")
    firmware = Firmware(lab, daemon, name, program, ["--connector", "vfio-user"],
                        ["-machine", f"{board},graphics=off"])
    # The script's own words have ${} in them.
    found = firmware.expect(r"@script (\S+) (10\S+) (\S+)\r?\n", 90)
    kit.require(found.groups() == ("08:00:27:c0:ff:ee", "10.0.2.15", "10.0.2.2"), found.group(0))
    firmware.expect("@linux", 180)
    firmware.process.wait(30)
    kit.require("vfio-user" not in firmware.errors.read_text(), firmware.errors.read_text())
    return found.group(0)


def edk2(lab, daemon, root, program):
    """Without an expansion ROM: the driver is EDK2's."""
    name = "edk2"
    make_machine(daemon, root, name, "virtio", "vmlinuz")
    code, variables = OVMF / "OVMF_CODE_4M.fd", lab.home / "vars.fd"
    shutil.copy(OVMF / "OVMF_VARS_4M.fd", variables)
    device = '{"driver":"vfio-user-pci","socket":{"type":"unix","path":"{socket1}"},"bootindex":0}'
    words = ["-machine", "q35,memory-backend=m", "-object",
             "memory-backend-memfd,id=m,size=512M,share=on", "-drive",
             f"if=pflash,format=raw,readonly=on,file={code}", "-drive",
             f"if=pflash,format=raw,file={variables}", "-device", device]
    firmware = Firmware(lab, daemon, name, program, ["--connector", "vfio-user"], words)
    firmware.expect("Start PXE over IPv4", 120)
    firmware.expect(r"NBP file downloaded successfully", 180)
    size = re.search(r"NBP filesize is (\d+)", firmware.text())
    kit.require(size and int(size.group(1)) == (root / "vmlinuz").stat().st_size, "size of the file")
    firmware.expect('BdsDxe: starting Boot.* "UEFI PXEv4', 60)
    firmware.kill()
    return size.group(0)


def main():
    kit.isolate()
    program = qemu.recent()
    if not program:
        print("1..0 # SKIP no recent QEMU to be had")
        return 0
    wanted = sys.argv[1:] or [*FAMILIES, "edk2"]
    tap = kit.Tap()
    with kit.Lab() as lab:
        daemon = lab.daemon()
        root = tftp_root(lab.home)
        for i, model in enumerate(FAMILIES):
            if model in wanted:
                tap.check(f"iPXE by {model}", ipxe, lab, daemon, root, program, model,
                          ["pc", "q35"][i % 2])
        if "edk2" in wanted:
            tap.check("EDK2 by virtio", edk2, lab, daemon, root, program)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
