#!/usr/bin/env python3
"""The recipes of contrib/ with the real programs: ham and GTUBE through Exim's spam ACL, procmail, maildrop.

A program that is not installed: its case is skipped.  Nothing of the host's is touched: configuration, spool and mailboxes
are in the test's directory.
"""
import os
import shutil
import subprocess

from harness import SOURCE, SPAMC, Skip, Tests, mail

tests = Tests()
HAM = mail("ham")
GTUBE = HAM.replace(b"\n\n", b"\n\nXJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\n", 1)
RULES = ("body GTUBE /XJS\\*C4JDBQADN1\\.NSBN3\\*2IDNEN\\*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL\\*C\\.34X/", "score GTUBE 1000")
PATH = tests.path("socket")
server = tests.spamd([PATH], [x for rule in RULES for x in ("--cf", rule)])
server.wait_for(PATH)


def need(*names):
    for name in names:
        path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin")
        if path is not None:
            return path
    raise Skip(names[0] + " is not installed")


def recipe(name, **replaced):
    with open(os.path.join(SOURCE, "contrib", name)) as f:
        text = f.read()
    for old, new in replaced.values():
        assert old in text, (name, old)
        text = text.replace(old, new)
    return text


def filter_with(command, home):
    """Ham and GTUBE through it: (what came to the inbox, what to the spam mailbox)."""
    os.makedirs(os.path.join(home, "mail"))
    for message in (HAM, GTUBE):
        run = subprocess.run(command, input=b"From a@example.com Mon Jan  1 00:00:00 2024\n" + message, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, timeout=60, env={"HOME": home, "PATH": os.environ["PATH"], "LOGNAME": "root"})
        assert run.returncode == 0, run.stdout

    def read(name):
        try:
            with open(os.path.join(home, name), "rb") as f:
                return f.read()
        except FileNotFoundError:
            return b""
    return read("inbox"), read("mail/spam")


def check_boxes(inbox, spam):
    assert inbox.count(b"X-Spam-Status: No") == 1 and b"GTUBE-STANDARD" not in inbox, inbox[:2000]
    assert spam.count(b"X-Spam-Status: Yes") >= 1 and b"GTUBE" in spam, spam[:2000]


@tests.case("procmail: ham to the inbox, GTUBE to the spam mailbox")
def _():
    procmail = need("procmail")
    home = tests.path("procmail")
    os.makedirs(home)
    rc = os.path.join(home, "rc")
    with open(rc, "w") as f:
        f.write("HOME=%s\nDEFAULT=%s/inbox\nORGMAIL=%s/inbox\nSHELL=/bin/sh\n" % (home, home, home))
        f.write(recipe("procmailrc", spamc=("| spamc", "| %s -U %s" % (SPAMC, PATH)), lock=("spamc.lock", home + "/spamc.lock")))
    check_boxes(*filter_with([procmail, rc], home))


@tests.case("maildrop: ham to the inbox, GTUBE to the spam mailbox")
def _():
    maildrop = need("maildrop")
    home = tests.path("maildrop")
    os.makedirs(home)
    rc = os.path.join(home, "filter")
    with open(rc, "w") as f:
        f.write('DEFAULT="%s/inbox"\nHOME="%s"\n' % (home, home))
        f.write(recipe("mailfilter", spamc=('"spamc"', '"%s -U %s"' % (SPAMC, PATH))))
    os.chmod(rc, 0o600)
    check_boxes(*filter_with([maildrop, rc], home))


@tests.case("Exim's spam ACL: ham is taken and marked, GTUBE is refused, a spamd that is away stops nothing")
def _():
    exim = need("exim4", "exim")
    if os.geteuid() != 0:
        raise Skip("not root")
    if b"Content_Scanning" not in subprocess.run([exim, "-bV"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout:
        raise Skip("this exim has no content scanning")
    for name, path in (("exim", PATH), ("away", tests.path("nowhere"))):
        spool = tests.path(name)
        os.makedirs(spool)
        os.chmod(spool, 0o777)
        config = os.path.join(spool, "conf")
        body = recipe("exim.conf", address=("spamd_address = 127.0.0.1 783", "spamd_address = " + path))
        main, acl = body.split("# acl_smtp_data:", 1)
        with open(config, "w") as f:
            f.write("primary_hostname = mx.example.org\nspool_directory = %s\nlog_file_path = %s/log-%%s\nqueue_only\n"
                    "acl_smtp_rcpt = accept\nacl_smtp_data = acl_check_data\nkeep_environment =\n" % (spool, spool))
            f.write(main + "\nbegin acl\n#" + acl + "\nbegin routers\nnone:\n  driver = accept\n  transport = none\n"
                    "begin transports\nnone:\n  driver = appendfile\n  file = /dev/null\n")
        answers = []
        for message in (HAM, GTUBE):
            lines = b"".join(b"." + x if x.startswith(b".") else x for x in message.splitlines(True)).replace(b"\n", b"\r\n")
            smtp = b"EHLO client.example.com\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n" + lines + b".\r\nQUIT\r\n"
            run = subprocess.run([exim, "-C", config, "-bs"], input=smtp, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
            answers.append([x for x in run.stdout.decode().splitlines() if x[:3] in ("250", "550", "451") and ("id=" in x or "scored" in x or x[:3] == "451")])
        taken = [os.path.join(d, n) for d, _, names in os.walk(spool) for n in names if n.endswith("-H")]
        heads = b"".join(open(n, "rb").read() for n in taken)
        if name == "exim":
            assert "id=" in answers[0][0] and answers[1][0].startswith("550 This message scored"), answers
            assert len(taken) == 1 and b"X-Spam-Score: " in heads, heads
        else:
            assert "id=" in answers[0][0] and "id=" in answers[1][0] and len(taken) == 2, answers


tests.main()
