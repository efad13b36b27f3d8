# SPDX-License-Identifier: LGPL-2.1-or-later
"""rig.py - cards in a process of their own, DPDK's testpmd beside them, and TAP."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("JACKFIELD_BUILD", ROOT / "build"))
TESTPMD = shutil.which("dpdk-testpmd")
CPUS = "(%s)" % ",".join(map(str, sorted(os.sched_getaffinity(0))))
SLOWER = float(os.environ.get("JACKFIELD_SLOWER", "1"))  # deadlines are so many times longer


class Failed(Exception):
    pass


def wait_for(what, check, seconds):
    """Polls `check` until it returns something true; returns that."""
    deadline = time.monotonic() + seconds * SLOWER
    while True:
        got = check()
        if got:
            return got
        if time.monotonic() > deadline:
            raise Failed(f"waited {seconds * SLOWER:.0f} s for {what}")
        time.sleep(0.02)


class Cards:
    """A bench-cards process. `cards`: pairs of what is before and behind the cable."""

    plugins = ["nic-models/virtio-net/virtio-net.so", "plugins/connectors/vhost-user/vhost-user.so",
               "attachments/internal/internal.so", "tests/bench/bench-ends.so"]

    def __init__(self, cards, log, workers=1, wrapper=()):
        self.log = open(log, "ab")
        words = [word for card in cards for word in card]
        self.process = subprocess.Popen(
            [*wrapper, BUILD / "tests/bench/bench-cards", "-w", str(workers),
             *[BUILD / plugin for plugin in self.plugins], "--", *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        if line != "ready\n":
            self.kill()
            raise Failed(f"the cards did not start: {pathlib.Path(log).read_text()}")

    def counters(self):
        """A dict for each card."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self._read()

    def _read(self):
        cards = []
        for line in self.process.stdout:
            if line == "end\n":
                return cards
            flow = re.match(r"tx (\d+) \((\d+) lost\) rx (\d+) \((\d+) lost\)", line)
            card = dict(zip(("tx", "tx-lost", "rx", "rx-lost"), map(int, flow.groups())))
            card.update({key: int(value)
                         for key, value in re.findall(r"\S+?\.(\S+)=(\d+)", line)})
            cards.append(card)
        raise Failed(f"the cards died: {self.process.wait()}")

    def kill(self, signo=signal.SIGKILL):
        self.process.send_signal(signo)
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()

    def stop(self):
        self.process.stdin.close()
        if self.process.wait(timeout=20 * SLOWER):
            raise Failed(f"the cards ended with {self.process.returncode}")
        self.process.stdout.close()
        self.log.close()


class Testpmd:
    """DPDK's testpmd with these vdevs, forwarding."""

    def __init__(self, vdevs, log, folder, words=(), mode="io", wrapper=(), commands=()):
        self.path = log
        self.log = open(log, "ab")
        env = dict(os.environ, XDG_RUNTIME_DIR=str(folder))
        self.process = subprocess.Popen(
            [*wrapper, "stdbuf", "-oL", TESTPMD, "--no-huge", "--no-shconf", "-m", "256", "--no-pci",
             "--no-telemetry", "--log-level=lib.eal:3", "--lcores", f"0@{CPUS},1@{CPUS}",
             *[word for vdev in vdevs for word in ("--vdev", vdev)],
             "--", "-i", "--nb-cores=1", "--total-num-mbufs=16384", "--txd=256", "--rxd=256",
             f"--forward-mode={mode}", *words],
            stdin=subprocess.PIPE, stdout=self.log, stderr=self.log, text=True, env=env)
        for command in commands:
            self.say(command)
        self.say("start")

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def stop_forwarding(self):
        """Returns when no burst is on its way any more."""
        done = self.path.read_text(errors="replace").count("\nDone.")
        self.say("stop")
        wait_for("testpmd to stop",
                 lambda: self.path.read_text(errors="replace").count("\nDone.") > done, 20)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.log.close()

    def stop(self):
        try:
            self.say("quit")
            self.process.stdin.close()
            self.process.wait(timeout=20 * SLOWER)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            pass
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()


class Folder:
    """Where sockets and logs go; shows the logs where something failed."""

    def __enter__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="jackfield-vhost-"))
        self.path.chmod(0o700)
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            for log in sorted(self.path.glob("*.log")):
                text = log.read_text(errors="replace").splitlines()[-25:]
                print(f"# {log.name}:", *text, sep="\n#   ", flush=True)
        shutil.rmtree(self.path)
        return False

    def __truediv__(self, name):
        return self.path / name


def run_tap(cases):
    """`cases`: pairs of a name and a function."""
    if not TESTPMD:
        print("1..0 # SKIP there is no dpdk-testpmd (Debian's dpdk-dev)")
        return 0
    failed = 0
    print(f"1..{len(cases)}", flush=True)
    for number, (name, case) in enumerate(cases, 1):
        try:
            case()
            print(f"ok {number} {name}", flush=True)
        except (Failed, OSError, ValueError) as error:
            failed += 1
            print(f"not ok {number} {name}\n# {error}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit("a module")
