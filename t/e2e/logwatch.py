#!/usr/bin/env python3
"""logwatch's script for spamd over our log beside its figures over the reference's log: the same messages, users, connections
and a SIGHUP before both. LOGWATCH: the directory of logwatch (/usr/share/logwatch)."""
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

from harness import HERE, Skip, Tests, ask, free_port, is_up, mail, patience, request, until

LOGWATCH = os.environ.get("LOGWATCH", "/usr/share/logwatch")
SCRIPT = os.path.join(LOGWATCH, "scripts", "services", "spamassassin")
REFERENCE = "/usr/sbin/spamd"
RULES = os.path.join(HERE, "rules")
tests = Tests()
HAM, SPAM = mail("ham"), mail("spam")


def use(address, pid, log):
    """The same for both."""
    for verb, message, user in (("CHECK", HAM, "alice"), ("PROCESS", SPAM, "alice"), ("SYMBOLS", SPAM, "bob"), ("REPORT", HAM, ""),
                                ("HEADERS", SPAM, "carol@example.com"), ("CHECK", HAM, "alice"), ("PROCESS", b"", "bob")):
        answer = ask(address, request(verb, message, headers=["User: " + user] if user else []), timeout=60)
        assert b" 0 EX_OK" in answer, answer
    ask(address, b"PING SPAMC/1.5\r\n\r\n")
    ask(address, b"NONSENSE\r\n")
    os.kill(pid, signal.SIGHUP)
    until(lambda: log().count("server pid: ") == 2 and is_up(address), 60)
    for _ in range(3):
        ask(address, request("CHECK", SPAM, headers=["User: dora"]), timeout=60)
    until(lambda: log().count("result: ") == 10)


def figures(log):
    """What logwatch makes of it; it takes the header of each line off before."""
    lines = [re.sub(r"^.*? \[\d+\] \w+: ", "", line) for line in log.splitlines()]
    run = subprocess.run(["perl", "-I", os.path.join(LOGWATCH, "lib"), SCRIPT], input="\n".join(lines) + "\n", stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True)
    assert run.returncode == 0, run.stderr
    main, _, other = run.stdout.partition("\n**Unmatched Entries**\n")
    return [main, {re.sub(r"\d+", "N", line) for line in other.splitlines()}]


@tests.case("logwatch: recipients, clean and spam, children, connections: as from the reference's log")
def _():
    if not os.path.exists(SCRIPT) or not shutil.which("perl"):
        raise Skip("logwatch is not installed (LOGWATCH: its directory)")
    if not os.path.exists(REFERENCE):
        raise Skip("no spamd of the reference here")
    # as root both would complain: the reference at every message, we when a worker starts
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    port = free_port()
    ours = tests.spamd(["127.0.0.1:%d" % port], ["-m", "1"] + user)
    ours.wait_for(("127.0.0.1", port))
    use(("127.0.0.1", port), ours.pid, ours.log)
    directory = tempfile.mkdtemp(dir=tests.directory)
    os.chmod(directory, 0o755)
    os.mkdir(os.path.join(directory, "site"))
    with open(os.path.join(directory, "site", "v320.pre"), "w") as f:
        f.write("loadplugin Mail::SpamAssassin::Plugin::Check\n")
    path, port = os.path.join(directory, "log"), free_port()
    process = subprocess.Popen([REFERENCE, "-L", "-x", "-s", path, "-C", RULES, "--siteconfigpath", os.path.join(directory, "site"), "-m", "1",
                                "-i", "127.0.0.1:%d" % port] + user, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=open(os.path.join(directory, "stderr"), "w"))
    try:
        deadline = time.monotonic() + patience(60)
        while not is_up(("127.0.0.1", port)):
            assert time.monotonic() < deadline and process.poll() is None, open(os.path.join(directory, "stderr")).read()
            time.sleep(0.2)
        use(("127.0.0.1", port), process.pid, lambda: open(path, encoding="latin-1").read())
        theirs = open(path, encoding="latin-1").read()
    finally:
        process.terminate()
        process.wait()
    got, wanted = figures(ours.log()), figures(theirs)
    # the reference kills its workers to start anew, ours end by themselves
    got[0], wanted[0] = (re.sub(r"\nChild-related errors\n(.+\n)*", "", x) for x in (got[0], wanted[0]))
    assert got[0] == wanted[0], "ours:\n%s\nreference:\n%s" % (got[0], wanted[0])
    assert got[1] <= wanted[1], got[1] - wanted[1]
    assert "alice" in got[0] and "Total Spam" in got[0]


tests.main()
