"""What the end-to-end tests stand on: a spamd of this build on sockets of its own, spamc, raw requests, TAP.

A test program makes `tests = Tests()`, decorates functions with @tests.case("what holds") and ends with tests.main().
A case fails by an exception. Everything runs on loopback and in one temporary directory that goes away afterwards; only
processes started here are ended.
"""
import atexit
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get("top_builddir", os.path.join(SOURCE, "build")))
SPAMD = os.path.join(BUILD, "spamd", "spamd")
SPAMC = os.path.join(BUILD, "spamc", "spamc")
START_SECONDS = 60
os.environ.setdefault("WINNOW_MODULES", os.path.join(BUILD, "lib", "store"))


def mail(name):
    with open(os.path.join(SOURCE, "t", "mail", name + ".eml"), "rb") as f:
        return f.read()


def own_mounts(script):
    """Goes on in a mount namespace of its own where root can make one (not in a chroot, nor in most containers); is it?"""
    if "WINNOW_OWN_MOUNTS" in os.environ:
        return True
    namespace = ["unshare", "-m", "--propagation", "private"]
    if os.geteuid() != 0 or not shutil.which("unshare") or subprocess.run(
            namespace + ["true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
        return False
    os.environ["WINNOW_OWN_MOUNTS"] = "yes"
    sys.exit(subprocess.run(namespace + [sys.executable, os.path.abspath(script)] + sys.argv[1:]).returncode)


def own_network(script):
    """Goes on in a network namespace with nothing but loopback where root can make one; is it?"""
    if "WINNOW_OWN_NETWORK" in os.environ:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return True
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip") or subprocess.run(
            ["unshare", "-n", "true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
        return False
    os.environ["WINNOW_OWN_NETWORK"] = "yes"
    sys.exit(subprocess.run(["unshare", "-n", sys.executable, os.path.abspath(script)] + sys.argv[1:]).returncode)


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


def free_port(family=socket.AF_INET, host="127.0.0.1"):
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.bind((host, 0))
        return s.getsockname()[1]


def connect(address, timeout=20):
    """address: a path, or (host, port)."""
    if isinstance(address, str):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.settimeout(timeout)
        s.connect(address)
        return s
    return socket.create_connection(address, timeout)


def read_all(s):
    parts = []
    while True:
        block = s.recv(65536)
        if not block:
            return b"".join(parts)
        parts.append(block)


def ask(address, request, half_close=True, timeout=20):
    """One raw request; the whole answer."""
    with connect(address, timeout) as s:
        s.sendall(request)
        if half_close:
            s.shutdown(socket.SHUT_WR)
        return read_all(s)


def request(verb, body, version="1.5", headers=(), length=True):
    lines = ["%s SPAMC/%s" % (verb, version)] + list(headers)
    if length:
        lines.append("Content-length: %d" % len(body))
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def patience(seconds):
    """What takes so long on a machine with nothing else to do."""
    return seconds * min(5.0, max(1.0, os.getloadavg()[0] / os.cpu_count()))


def until(what, seconds=20):
    """Waits for it; time is not what the tests are about, so it is ample."""
    deadline = time.monotonic() + patience(seconds)
    while time.monotonic() < deadline and not what():
        time.sleep(0.05)
    assert what(), "not within %d s" % patience(seconds)


def run_spamd(*arguments, **more):
    """One that ends by itself: (exit status, standard output, standard error)"""
    r = subprocess.run([SPAMD] + list(arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       timeout=60, **more)
    return r.returncode, r.stdout.decode(), r.stderr.decode()


def is_alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def is_up(address):
    """Bound is not yet listening."""
    try:
        return b"PONG" in ask(address, b"PING SPAMC/1.2\r\n")
    except OSError:
        return False


class Spamd:
    """A running spamd. listen: addresses for -i; rules: the -C directory."""

    def __init__(self, directory, listen, options=(), rules=os.path.join(HERE, "rules"), env=None, local=True):
        self.log_path = os.path.join(directory, "log")
        self.site = os.path.join(directory, "site")
        os.makedirs(self.site, exist_ok=True)
        command = [SPAMD] + ["-L"] * local + ["-x", "-s", self.log_path, "-C", rules, "--siteconfigpath", self.site]
        for address in listen:
            command += ["-i", address]
        self.errors = open(os.path.join(directory, "stderr"), "ab")
        self.process = subprocess.Popen(command + list(options), stdin=subprocess.DEVNULL, stdout=self.errors,
                                        stderr=self.errors, env=env)

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        try:
            with open(self.log_path, encoding="latin-1") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def wait_for(self, address):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError("spamd ended with %s: %s" % (self.process.returncode, self.stderr()))
            try:
                if b"PONG" in ask(address, b"PING SPAMC/1.5\r\n\r\n"):
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError("spamd does not answer on %r" % (address,))

    def stderr(self):
        with open(self.errors.name, encoding="latin-1") as f:
            return f.read()

    def workers(self):
        with open("/proc/%d/task/%d/children" % (self.pid, self.pid)) as f:
            return [int(p) for p in f.read().split()]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError("spamd did not end within 20 s of SIGTERM")
        self.errors.close()
        return self.process.returncode


def spamc(arguments, message, timeout=60):
    """(exit status, standard output, standard error)"""
    run = subprocess.run([SPAMC] + arguments, input=message, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         timeout=timeout)
    return run.returncode, run.stdout, run.stderr


class Skip(Exception):
    pass


class Tests:
    def __init__(self):
        self.cases = []
        self.directory = tempfile.mkdtemp(prefix="winnow-e2e-")
        os.chmod(self.directory, 0o755)
        self.ends = []
        atexit.register(self.end_all)

    def case(self, name):
        def add(function):
            self.cases.append((name, function))
            return function
        return add

    def spamd(self, *arguments, **named):
        """A spamd that ends with the tests."""
        directory = tempfile.mkdtemp(dir=self.directory)
        os.chmod(directory, 0o755)
        server = Spamd(directory, *arguments, **named)
        self.ends.append(server)
        return server

    def end_all(self):
        """For tests that fail before main()."""
        for server in self.ends:
            if server.process.poll() is None:
                server.process.terminate()

    def path(self, name):
        return os.path.join(self.directory, name)

    def main(self):
        """CASES in the environment: only cases with one of these words in the name."""
        bad = 0
        wanted = set(os.environ.get("CASES", "").split())
        if wanted:
            self.cases = [case for case in self.cases if wanted & set(re.findall(r"\w+", case[0]))]
        if not self.cases:
            sys.exit("no case to run")
        print("1..%d" % len(self.cases))
        for number, (name, function) in enumerate(self.cases, 1):
            try:
                function()
                print("ok %d - %s" % (number, name))
            except Skip as reason:
                print("ok %d - %s # SKIP %s" % (number, name, reason))
            except Exception:
                bad += 1
                print("not ok %d - %s" % (number, name))
                print("".join("# %s\n" % line for line in traceback.format_exc().splitlines()), end="")
            sys.stdout.flush()
        for server in self.ends:
            status = server.stop()
            said = server.stderr()
            if status != 0 or "Sanitizer" in said:
                bad += 1
                print("not ok - spamd ended with %s\n# %s" % (status, said[-2000:].replace("\n", "\n# ")))
        shutil.rmtree(self.directory, ignore_errors=True)
        sys.exit(1 if bad else 0)
