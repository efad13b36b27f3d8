# SPDX-License-Identifier: LGPL-2.1-or-later
"""kit.py - daemons, machines and real guests for tests.

A guest runs under QEMU with its console in a log file and an agent on its second serial line, which
runs one shell line at a time and says how it ended. Everything waits with a deadline.
"""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import image
import qemu

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("JACKFIELD_BUILD", ROOT / "build"))
CLI = BUILD / "tools/jackfield/jackfield"


class Failed(Exception):
    pass


def isolate(recent=True):
    """Runs this program in namespaces of its own with nothing but a loopback: no root, and nothing
    outside is touched. What has to be fetched is fetched before."""
    if os.environ.get("JACKFIELD_ISOLATED"):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        # Guests and daemons end also when this program is told to.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        return
    image.kernel()
    if recent:
        qemu.recent()
    os.environ["JACKFIELD_ISOLATED"] = "1"
    os.execvp("unshare", ["unshare", "--user", "--map-root-user", "--net", "--mount",
                          sys.executable, *sys.argv])


class Tap:
    """Test results for meson, one a check; the first line says how many there will be only at the
    end, so a program that breaks down is seen."""

    def __init__(self):
        self.count = self.failed = 0
        self.start = time.monotonic()

    def check(self, name, function, *args):
        """Runs a check; returns whether it passed. What it returns is printed."""
        self.count += 1
        start = time.monotonic()
        try:
            said = function(*args)
        except (Failed, OSError, subprocess.SubprocessError) as error:
            self.failed += 1
            text = str(error).replace("\n", " | ")[-1500:]
            print(f"not ok {self.count} {name}\n# {type(error).__name__}: {text}", flush=True)
            return False
        print(f"ok {self.count} {name}", flush=True)
        print(f"# {time.monotonic() - start:.1f} s{': ' + str(said) if said else ''}", flush=True)
        return True

    def finish(self):
        print(f"1..{self.count}\n# {time.monotonic() - self.start:.0f} s", flush=True)
        return 1 if self.failed else 0


def require(condition, what):
    if not condition:
        raise Failed(what)


def wait_for(what, check, seconds):
    """Polls `check` until it returns something true; returns that."""
    deadline = time.monotonic() + seconds
    while True:
        got = check()
        if got:
            return got
        if time.monotonic() > deadline:
            raise Failed(f"waited {seconds} s for {what}")
        time.sleep(0.02)


def run_cases(kind, needs, after=None):
    """Speaks TAP about the methods test_NAME of a class, all or those that the command line names,
    with one object of it in one lab. `needs`: programs or paths by case; a case without its own is
    skipped. `after` is called with the object after a case that passed, as a part of it. Returns
    whether one failed."""
    names = [n[5:] for n in vars(kind) if n.startswith("test_")]
    names = [n for n in names if len(sys.argv) < 2 or n in sys.argv[1:]]
    failed = 0
    print(f"1..{len(names)}", flush=True)
    with Lab() as lab:
        cases = kind(lab)
        for number, name in enumerate(names, 1):
            need = str(needs.get(name, "/"))
            if not (os.path.exists(need) if need[0] == "/" else shutil.which(need)):
                print(f"ok {number} {name} # SKIP {need} is not installed", flush=True)
                continue
            begin = time.monotonic()
            try:
                getattr(cases, "test_" + name)()
                if after:
                    after(cases)
                print(f"ok {number} {name} # {time.monotonic() - begin:.1f} s", flush=True)
            except (Failed, subprocess.SubprocessError, OSError) as error:
                failed += 1
                print(f"not ok {number} {name}\n# " + str(error).replace("\n", "\n# "), flush=True)
    return failed > 0


class Daemon:
    """One user's Jackfield: a configuration directory and a run directory of its own."""

    def __init__(self, home, name):
        self.config = pathlib.Path(home) / name
        self.run = pathlib.Path(home) / (name + ".run")
        self.config.mkdir()
        self.run.mkdir(mode=0o700)
        self.env = dict(os.environ, JACKFIELD_HOME=str(self.config),
                        JACKFIELD_RUNTIME_DIR=str(self.run))

    def __call__(self, *args, check=True):
        """Runs the command line with these words; returns what it printed."""
        done = subprocess.run([CLI, *map(str, args)], env=self.env, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, capture_output=True)
        if check and done.returncode != 0:
            raise Failed(f"jackfield {' '.join(map(str, args))}: {done.stderr.strip()}")
        return done.stdout if check else done

    def pid(self):
        return int((self.run / "jackfieldd.lock").read_text())

    def stop(self):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
            pid = self.pid()
            os.kill(pid, signal.SIGTERM)
            wait_for("the daemon's end", lambda: not os.path.exists(f"/proc/{pid}"), 10)


class Guest:
    """A running guest. `words`: the command that ends in QEMU's own arguments."""

    def __init__(self, words, env, home, name, root, memory=256, board="pc", more=(),
                 shared=True):
        self.name = name
        self.log = pathlib.Path(home) / f"{name}.console"
        self.errors = pathlib.Path(home) / f"{name}.errors"
        agent = pathlib.Path(home) / f"{name}.agent"
        agent.unlink(missing_ok=True)
        vmlinux, _ = image.kernel()
        own = ["-machine", f"{board},memory-backend=mem", "-object",
               f"memory-backend-memfd,id=mem,share=on,size={memory}M"]
        argv = [*map(str, words), "-accel", "tcg", "-nodefaults", "-display", "none", "-vga",
                "none", *(own if shared else ["-machine", board]), "-m", str(memory), *more,
                "-serial", f"file:{self.log}",
                "-chardev", f"socket,id=agent,path={agent},server=on,wait=off",
                "-serial", "chardev:agent", "-kernel", str(vmlinux), "-initrd", str(root),
                "-append", "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on "
                           "no_timer_check tsc=reliable net.ifnames=0"]
        self.process = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL,
                                        stdout=self.errors.open("wb"), stderr=subprocess.STDOUT,
                                        start_new_session=True)
        self.buffer = b""
        self.pending = False  # a line was sent, and its end is not here yet
        try:
            self.agent = wait_for(f"{name}'s serial line", lambda: self.connect(agent), 20)
            self.expect(rb"@ready\r?\n", 60)
        except Exception:
            self.kill()
            raise

    def connect(self, path):
        if self.process.poll() is not None:
            raise Failed(f"{self.name} ended at once: {self.errors.read_text()[-2000:]}")
        line = socket.socket(socket.AF_UNIX)
        try:
            line.connect(str(path))
            return line
        except OSError:
            line.close()
            return None

    def expect(self, pattern, seconds):
        deadline = time.monotonic() + seconds
        while True:
            found = re.search(pattern, self.buffer)
            if found:
                before = self.buffer[:found.start()]
                self.buffer = self.buffer[found.end():]
                return before, found
            left = deadline - time.monotonic()
            if left <= 0:
                raise Failed(f"{self.name}: no answer in {seconds} s; so far: "
                             f"{self.buffer[-500:]!r}; console: {self.console()[-500:]!r}")
            self.agent.settimeout(left)
            with contextlib.suppress(TimeoutError):
                data = self.agent.recv(65536)
                if not data:
                    raise Failed(f"{self.name} is gone; console: {self.console()[-500:]!r}")
                self.buffer += data

    def console(self):
        return self.log.read_bytes() if self.log.exists() else b""

    def send(self, line):
        """Begins a shell line; `finish` waits for it."""
        if self.pending:  # a check that failed did not wait
            self.finish()
        self.pending = True
        self.agent.sendall(line.replace("\n", " ").encode() + b"\n")

    def finish(self, seconds=60):
        """Returns (what the line printed, its exit status)."""
        before, found = self.expect(rb"@end (\d+)\r?\n", seconds)
        self.pending = False
        return before.decode(errors="replace").replace("\r\n", "\n"), int(found.group(1))

    def run(self, line, seconds=60, check=True):
        self.send(line)
        out, status = self.finish(seconds)
        if check and status != 0:
            raise Failed(f"{self.name}: '{line}' ended with {status}: {out[-800:]}")
        return out

    def poll(self, what, line, pattern, seconds=20):
        """Runs `line` until its output matches; returns the match."""
        return wait_for(what, lambda: re.search(pattern, self.run(line, check=False)), seconds)

    def stop(self):
        """Asks the guest to power off, and waits for the command that runs it."""
        if self.process.poll() is None:
            with contextlib.suppress(OSError, Failed):
                self.send("poweroff -f")
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.returncode

    def wait_ready(self, seconds=60):
        """After a reset."""
        self.expect(rb"@ready\r?\n", seconds)
        self.pending = False

    def vmm(self):
        """The process id of the VMM that `jackfield run` runs."""
        text = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return int(wait_for("the VMM's process", text.read_text, 5).split()[0])

    def kill(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Lab(contextlib.ExitStack):
    """A temporary directory with daemons and guests in it; all of it ends with the `with`."""

    def __init__(self):
        super().__init__()
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="jf-"))
        self.keep = os.environ.get("JACKFIELD_TEST_KEEP")
        if not self.keep:
            self.callback(shutil.rmtree, self.home, ignore_errors=True)
        self.root = self.home / "root.cpio"
        self.guests = 0

    def image(self, extra=(), files=()):
        image.initramfs(self.root, extra, files)
        return self.root

    def daemon(self, name="d"):
        daemon = Daemon(self.home, name)
        self.callback(daemon.stop)
        return daemon

    def guest(self, daemon, machine, qemu="qemu-system-x86_64", run=(), **more):
        """A guest on the cards of `machine`, by `jackfield run`."""
        self.guests += 1
        guest = Guest([CLI, "run", machine, *run, "--", qemu], daemon.env, self.home,
                      f"{machine}-{self.guests}", self.root, **more)
        self.callback(guest.kill)
        return guest
