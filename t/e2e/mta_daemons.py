#!/usr/bin/env python3
"""The recipes of contrib/ for mail servers that run by themselves: Postfix with a content filter and with spamass-milter,
Dovecot's Sieve, Haraka. Ham and GTUBE go in by SMTP or through the delivery agent; what comes out is looked at.

A program that is not installed: its case is skipped. Configuration and queue of the host are not touched: the tests stand in
a mount namespace of their own."""
import os
import pwd
import re
import shutil
import signal
import smtplib
import subprocess

from harness import SOURCE, SPAMC, Skip, Tests, free_port, mail, own_mounts, until

OWN_MOUNTS = own_mounts(__file__)
tests = Tests()
HAM = mail("ham")
GTUBE = HAM.replace(b"\n\n", b"\n\nXJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\n", 1)
RULES = ("body GTUBE /XJS\\*C4JDBQADN1\\.NSBN3\\*2IDNEN\\*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL\\*C\\.34X/", "score GTUBE 1000")
PATH = tests.path("socket")
PORT = free_port()
server = tests.spamd([PATH, "127.0.0.1:%d" % PORT], [x for rule in RULES for x in ("--cf", rule)])
server.wait_for(PATH)


def need(*names):
    for name in names:
        path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin:/usr/lib/dovecot")
        if path is None:
            raise Skip(name + " is not installed")
    return path


def blocks(name):
    """The indented blocks of a recipe."""
    with open(os.path.join(SOURCE, "contrib", name)) as f:
        return re.findall(r"(?:^\t.*\n)+", f.read(), re.M)


def block(name, word):
    found = [re.sub(r"^\t", "", b, flags=re.M) for b in blocks(name) if word in b]
    assert len(found) == 1, (name, word, found)
    return found[0]


def replaced(text, *pairs):
    for old, new in pairs:
        assert old in text, (old, text)
        text = text.replace(old, new)
    return text


def send(port, message):
    """The SMTP answer to the end of the data."""
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
        client.ehlo("client.example.com")
        client.mail("anna@example.net")
        client.rcpt("box@example.org")
        return client.data(message.replace(b"\n", b"\r\n"))


# ---- Postfix ----

MAIN = """compatibility_level = 3.6
myhostname = mx.example.org
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
queue_directory = %(d)s/queue
data_directory = %(d)s/data
maillog_file = %(d)s/maillog
maillog_file_prefixes = %(d)s
virtual_mailbox_domains = example.org
virtual_mailbox_base = %(d)s/boxes
virtual_mailbox_maps = static:box
virtual_transport = virtual
virtual_uid_maps = static:%(uid)d
virtual_gid_maps = static:%(uid)d
smtpd_relay_restrictions = permit_mynetworks,reject
"""
STANDARD = "pickup cleanup qmgr rewrite bounce defer trace verify flush proxymap proxywrite smtp error retry local virtual anvil postlog"


class Postfix:
    def __init__(self, name, smtpd, main=""):
        if not OWN_MOUNTS:
            raise Skip("no mount namespace of our own")
        self.postfix = need("postconf", "postfix")
        self.directory, self.port = tests.path(name), free_port()
        owner = pwd.getpwnam("postfix").pw_uid
        for part in ("", "queue", "data", "boxes"):
            os.makedirs(os.path.join(self.directory, part), exist_ok=True)
        os.chown(os.path.join(self.directory, "data"), owner, -1)
        os.chown(os.path.join(self.directory, "boxes"), 65534, 65534)
        conf = os.path.join(self.directory, "conf")
        shutil.copytree("/etc/postfix", conf, symlinks=True)
        with open(os.path.join(conf, "main.cf"), "w") as f:
            f.write(MAIN % {"d": self.directory, "uid": 65534} + main)
        with open("/usr/share/postfix/master.cf.dist") as f:
            keep = [re.sub(r"^((?:\S+\s+){4})y", r"\1n", line) for line in f if line.split()[:1] and line.split()[0] in STANDARD.split() and " inet " not in line]
        with open(os.path.join(conf, "master.cf"), "w") as f:
            f.write("".join(keep) + smtpd)
        subprocess.run(["mount", "--bind", conf, "/etc/postfix"], check=True)

    def __enter__(self):
        run = subprocess.run([self.postfix, "start"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        assert run.returncode == 0, (run.stdout, self.log())
        return self

    def __exit__(self, *_):
        subprocess.run([self.postfix, "stop"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
        subprocess.run(["umount", "/etc/postfix"], check=True)

    def log(self):
        path = os.path.join(self.directory, "maillog")
        return open(path).read() if os.path.exists(path) else ""

    def box(self):
        path = os.path.join(self.directory, "boxes", "box")
        return open(path, "rb").read() if os.path.exists(path) else b""

    def wait_for_mail(self, count):
        try:
            until(lambda: self.box().count(b"\nDelivered-To: ") == count, 30)
        except AssertionError:
            raise AssertionError(self.log()[-3000:])
        return self.box()


def smtpd_line(text, port):
    return replaced(text, ("smtp      inet  n  -  y", "127.0.0.1:%d inet  n  -  n" % port))


@tests.case("Postfix, content filter: both are taken, ham is marked No, GTUBE Yes; without spamd the message passes")
def _():
    master = replaced(block("postfix.md", "content_filter"), ("/usr/bin/spamc -e", SPAMC + " -U " + PATH + " -e"))
    with Postfix("filter", "") as postfix:
        with open("/etc/postfix/master.cf", "a") as f:
            f.write(smtpd_line(master, postfix.port))
        subprocess.run([postfix.postfix, "reload"], check=True, stderr=subprocess.DEVNULL)
        until(lambda: can_connect(postfix.port))
        for message in (HAM, GTUBE):
            assert send(postfix.port, message)[0] == 250
        box = postfix.wait_for_mail(2)
        assert box.count(b"\nX-Spam-Status: No") == 1 and box.count(b"\nX-Spam-Status: Yes") == 1, box
        assert box.count(b"\nX-Spam-Flag: YES") == 1
        away = open("/etc/postfix/master.cf").read().replace(PATH, tests.path("nowhere"))
        with open("/etc/postfix/master.cf", "w") as f:
            f.write(away)
        subprocess.run([postfix.postfix, "reload"], check=True, stderr=subprocess.DEVNULL)
        assert send(postfix.port, HAM)[0] == 250
        box = postfix.wait_for_mail(3)
        assert box.count(b"\nX-Spam-Status: ") == 2


def can_connect(port):
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=10):
            return True
    except OSError:
        return False


@tests.case("Postfix, spamass-milter: ham is marked, GTUBE refused at 15 points; without spamd the message passes")
def _():
    milter = need("postfix", "spamass-milter")
    programs = [("Winnow's spamc", SPAMC)]
    if not os.path.exists("/usr/bin/spamc"):
        raise Skip("spamass-milter runs /usr/bin/spamc, which is not there")
    version = subprocess.run(["/usr/bin/spamc", "-V"], stdout=subprocess.PIPE).stdout
    if b"Winnow" not in version:
        programs.append(("Debian's spamc", None))
    main = block("postfix.md", "smtpd_milters")
    arguments = re.search(r'OPTIONS="(.*)"', block("postfix.md", "OPTIONS="))[1]
    for number, (name, program) in enumerate(programs):
        sock = tests.path("milter%d" % number)
        main_here = replaced(main, ("unix:/spamass/spamass.sock", "unix:" + sock))
        with Postfix("milter%d.d" % number, "", main_here) as postfix:
            with open("/etc/postfix/master.cf", "a") as f:
                f.write("127.0.0.1:%d inet n - n - - smtpd\n" % postfix.port)
            subprocess.run([postfix.postfix, "reload"], check=True, stderr=subprocess.DEVNULL)
            until(lambda: can_connect(postfix.port))
            if program:
                subprocess.run(["mount", "--bind", program, "/usr/bin/spamc"], check=True)
            # what comes from 127.0.0.1 is this test; -u needs users that the host may not have
            options = replaced(arguments, ("-u spamass-milter ", ""), ("-i 127.0.0.1", "-i 192.0.2.0/24")).split()
            process = None
            try:
                for socket_path in (PATH, tests.path("nowhere")):
                    process = subprocess.Popen([milter, "-p", sock] + options + ["--", "-U", socket_path], stdin=subprocess.DEVNULL,
                                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                    until(lambda: os.path.exists(sock))
                    os.chmod(sock, 0o666)
                    if socket_path == PATH:
                        assert send(postfix.port, HAM)[0] == 250, name
                        code, text = send(postfix.port, GTUBE)
                        assert code == 550 and b"Blocked by SpamAssassin" in text, (name, code, text)
                        box = postfix.wait_for_mail(1)
                        assert box.count(b"\nX-Spam-Status: No") == 1, (name, box)
                    else:
                        assert send(postfix.port, HAM)[0] == 250, name
                        assert postfix.wait_for_mail(2).count(b"\nX-Spam-Status: ") == 1, name
                    process.terminate()
                    process.wait(20)
                    if os.path.exists(sock):
                        os.unlink(sock)
            finally:
                if process is not None and process.poll() is None:
                    process.kill()
                if program:
                    subprocess.run(["umount", "/usr/bin/spamc"], check=True)


# ---- Sieve ----

@tests.case("Sieve under Dovecot: filter and execute with spamc: ham to the inbox, GTUBE to Junk")
def _():
    lda = need("dovecot-lda")
    if not [d for d in ("/usr/lib/dovecot/modules", "/usr/lib/dovecot") if os.path.exists(os.path.join(d, "lib90_sieve_plugin.so"))]:
        raise Skip("dovecot-sieve is not installed")
    plugin = block("sieve.md", "plugin {")
    scripts = [b for b in (re.sub(r"^\t", "", b, flags=re.M) for b in blocks("sieve.md")) if b.startswith("require")]
    assert len(scripts) == 2
    uid = 65534 if os.geteuid() == 0 else os.geteuid()
    for number, script in enumerate(scripts):
        home = tests.path("sieve%d" % number)
        programs = os.path.join(home, "bin")
        os.makedirs(programs)
        with open(os.path.join(programs, "spamc"), "w") as f:
            f.write('#!/bin/sh\nexec %s -U %s "$@"\n' % (SPAMC, PATH))
        os.chmod(f.name, 0o755)
        with open(os.path.join(home, "script.sieve"), "w") as f:
            f.write(script)
        conf = os.path.join(home, "dovecot.conf")
        with open(conf, "w") as f:
            f.write("mail_location = maildir:%(h)s/Maildir\nlog_path = %(h)s/log\nssl = no\nprotocol lda {\n mail_plugins = sieve\n}\n"
                    "base_dir = %(h)s/run\nstate_dir = %(h)s/run\npostmaster_address = p@example.org\nhostname = mx.example.org\n"
                    "lda_mailbox_autocreate = yes\nfirst_valid_uid = 1\nplugin {\n sieve = file:%(h)s/script.sieve\n}\n" % {"h": home})
            f.write(replaced(plugin, ("/usr/lib/dovecot/sieve-filter", programs)))
        for place, names, _ in os.walk(home):
            os.chown(place, uid, -1)
        for message in (HAM, GTUBE):
            run = subprocess.run([lda, "-c", conf, "-f", "anna@example.net", "-a", "box@example.org"], input=message, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, timeout=60, user=uid, group=uid if os.geteuid() == 0 else None,
                                 extra_groups=[] if os.geteuid() == 0 else None,
                                 env={"HOME": home, "USER": "nobody", "PATH": "/usr/bin:/bin"})
            log = os.path.join(home, "log")
            assert run.returncode == 0, (run, open(log).read() if os.path.exists(log) else "")

        def messages(folder):
            found = []
            for part in ("new", "cur"):
                where = os.path.join(home, "Maildir", folder, part)
                found += [open(os.path.join(where, n), "rb").read() for n in (os.listdir(where) if os.path.isdir(where) else [])]
            return found
        inbox, junk = messages(""), messages(".Junk")
        log = open(os.path.join(home, "log")).read() if os.path.exists(os.path.join(home, "log")) else ""
        assert len(inbox) == 1 and len(junk) == 1, (script, len(inbox), len(junk), log)
        assert b"GTUBE-STANDARD" not in inbox[0] and b"GTUBE-STANDARD" in junk[0]
        assert (b"X-Spam-Status: No" in inbox[0]) == (number == 0) and (b"X-Spam-Flag: YES" in junk[0]) == (number == 0)


# ---- Haraka ----

@tests.case("Haraka: the spamassassin plugin marks ham, refuses GTUBE, lets pass without spamd")
def _():
    node = need("node")
    places = [os.environ.get("HARAKA", ""), "/usr/local/lib/node_modules/Haraka", "/usr/lib/node_modules/Haraka"]
    haraka = next((p for p in places if p and os.path.exists(os.path.join(p, "bin", "haraka"))), None)
    if haraka is None:
        raise Skip("Haraka is not installed (HARAKA: its directory in node_modules)")
    for where, good in ((None, True), (str(free_port()), False)):
        base = tests.path("haraka-%s" % good)
        os.makedirs(os.path.join(base, "config"))
        os.makedirs(os.path.join(base, "plugins"))
        port = free_port()
        ini = replaced(block("haraka.md", "spamd_socket"), ("127.0.0.1:783", "127.0.0.1:" + (where or str(PORT))))
        files = {"smtp.ini": "listen=127.0.0.1:%d\nnodes=0\n" % port, "plugins": "accept\nspamassassin\nkeep\n", "spamassassin.ini": ini,
                 "host_list": "example.org\n", "me": "mx.example.org\n", "loglevel": "INFO\n"}
        for name, text in files.items():
            with open(os.path.join(base, "config", name), "w") as f:
                f.write(text)
        shutil.copy(os.path.join(haraka, "config", "connection.ini"), os.path.join(base, "config"))
        with open(os.path.join(base, "plugins", "accept.js"), "w") as f:
            f.write("exports.hook_rcpt = (next) => next(OK)\n")
        with open(os.path.join(base, "plugins", "keep.js"), "w") as f:
            f.write("exports.hook_queue = function (next, connection) {\n  const out = require('fs').createWriteStream('%s/kept')\n"
                    "  connection.transaction.message_stream.pipe(out)\n  out.on('finish', () => next(OK))\n}\n" % base)
        with open(os.path.join(base, "log"), "wb") as log:
            process = subprocess.Popen([node, os.path.join(haraka, "bin", "haraka"), "-c", base], stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, env=dict(os.environ, NODE_PATH=os.path.dirname(haraka)))
        try:
            try:
                until(lambda: can_connect(port), 60)
                code, text = send(port, HAM)
                assert code == 250, (code, text)
                code, text = send(port, GTUBE)
            except Exception:
                raise AssertionError(open(os.path.join(base, "log")).read()[-3000:])
            kept = open(os.path.join(base, "kept"), "rb").read()
            if good:
                assert code == 550, (code, text, open(log.name).read()[-2000:])
                assert re.search(rb"^X-Spam-Status: No", kept, re.M), kept[:2000]
            else:
                assert code == 250 and not re.search(rb"^X-Spam-Status: ", kept, re.M), (code, text)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


tests.main()
