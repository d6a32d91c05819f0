#!/usr/bin/env python3
"""What was learned, in databases: PostgreSQL, MariaDB and SQLite of the test's own; shared with the reference; servers that go."""
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time

from harness import BUILD, Skip, Spamd, Tests, ask, free_port, has_ipv6, own_mounts, request
from sql_servers import KINDS, TABLES

HAS_MOUNTS = own_mounts(sys.argv[0])
tests = Tests()
LEARN = os.path.join(BUILD, "cmd", "sa-learn")
COMMAND = os.path.join(BUILD, "cmd", "spamassassin")
UNIT = os.path.join(BUILD, "t", "unit", "store", "test_sql")
RULES, MAIL = tests.path("rules"), tests.path("mail")
WORDS = "offer click money meeting agenda report urgent reply minutes budget winner prize lottery invoice draft".split()
os.mkdir(MAIL)
os.mkdir(RULES)
with open(os.path.join(RULES, "bayes.cf"), "w") as f:
    f.write("""body BAYES_LOW eval:check_bayes('0.00', '0.40')
body BAYES_HIGH eval:check_bayes('0.60', '1.00')
tflags BAYES_LOW nice learn
tflags BAYES_HIGH learn
score BAYES_LOW 0 0 -1.0 -1.0
score BAYES_HIGH 0 0 2.0 2.0
bayes_min_ham_num 5
bayes_min_spam_num 5
bayes_auto_learn 0
add_header all Bayes _BAYES_ _TESTS_ _TOKENSUMMARY_
util_rb_tld com org example
""")


def message(kind, number):
    """Half of the words are of the kind."""
    r = random.Random("%s%d" % (kind, number))
    body = " ".join("%s%s%d" % (kind, r.choice(WORDS), r.randrange(40)) + " " + r.choice(WORDS) for _ in range(120))
    return ("From: a%d@%s.example\nTo: b@example.org\nSubject: %s\nDate: Tue, 1 Oct 2002 10:%02d:00 +0000\n"
            "Message-Id: <%d@%s.example>\nReceived: from x (y [192.0.2.1]) by z; Tue, 1 Oct 2002 %02d:%02d:01 +0000\n\n%s\n" % (
                number, kind, kind, number % 60, number, kind, r.randrange(24), r.randrange(60), body)).encode()


def write(kind, count):
    paths = []
    for number in range(count):
        paths.append(os.path.join(MAIL, "%s%d" % (kind, number)))
        with open(paths[-1], "wb") as f:
            f.write(message(kind, number))
    return paths


SPAM, HAM, OTHER = write("spam", 40), write("ham", 40), [message(kind, n) for kind in ("spam", "ham") for n in range(100, 106)]
servers, problems = {}, {}


def server_of(kind):
    """Started once."""
    if kind in problems:
        raise Skip(problems[kind])
    if kind not in servers:
        if not os.path.exists(os.path.join(os.environ["WINNOW_MODULES"], "sql-%s.so" % kind.suffix)):
            problems[kind] = "built without " + kind.name
            raise Skip(problems[kind])
        try:
            servers[kind] = kind(tests.path(kind.name))
        except Skip as reason:
            problems[kind] = reason
            raise
        servers[kind].tables()
    servers[kind].start()
    return servers[kind]


def case(name):
    """A case for each database."""
    def add(function):
        for kind in KINDS:
            tests.case("%s: %s" % (kind.name, name))(lambda kind=kind: function(server_of(kind)))
        return function
    return add


def new_database(server, name):
    server.create(name)
    server.tables(database=name)
    return server.dsn(name)


def site(server, dsn, password=None, *lines):
    """A directory with this configuration."""
    directory = os.path.join(tests.path("site%d" % random.getrandbits(60)))
    os.mkdir(directory)
    with open(os.path.join(directory, "v.pre"), "w") as f:
        f.write("loadplugin Mail::SpamAssassin::Plugin::Bayes\nloadplugin Mail::SpamAssassin::Plugin::Check\n")
    with open(os.path.join(directory, "local.cf"), "w") as f:
        f.write("bayes_store_module %s\nbayes_sql_dsn %s\n" % (server.module, dsn))
        if server.user:
            f.write("bayes_sql_username %s\nbayes_sql_password %s\n" % (server.user, password or server.password))
        f.write("".join(line + "\n" for line in lines))
    return directory


def run(program, where, *arguments, text=b"", check=True):
    p = subprocess.run([program, "-C", RULES, "--siteconfigpath", where, "-p", "/dev/null", "-L"] + list(arguments),
                       input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
    assert not check or p.returncode == 0, (arguments[:4], p.returncode, p.stdout[-500:], p.stderr[-2000:])
    return p.returncode, p.stdout.decode("latin-1"), p.stderr.decode("latin-1")


def learn(where, *arguments, **named):
    return run(LEARN, where, *arguments, **named)


def dump(where, program=LEARN, *arguments):
    return sorted(run(program, where, "--backup", *arguments)[1].splitlines())


def magic(where, program=LEARN):
    return re.findall(r"(\d+) +0  non-token data: (n\w+|oldest atime|newest atime)", run(program, where, "--dump", "magic")[1])


def counts(where):
    return tuple(int(number) for number, _name in magic(where)[:3])


def verdict(where, text, program=COMMAND):
    out = run(program, where, text=text)[1]
    return re.sub(r"\s+", " ", re.search(r"^X-Spam-Bayes: ((?:.|\n\s)*)\n", out, re.M).group(1))


def warnings(text):
    return [line for line in text.splitlines() if "bayes" in line]


@case("statements, values, transactions, locks; each way to connect")
def _(server):
    if not os.path.exists(UNIT):
        raise Skip("no unit tests")
    for name, dsn in server.dsns.items():
        if name == "IPv6" and not has_ipv6():
            continue
        p = subprocess.run([UNIT], env=dict(os.environ, WINNOW_TEST_DSN=dsn, WINNOW_TEST_USER=server.user,
                                            WINNOW_TEST_PASSWORD=server.password),
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=200)
        assert p.returncode == 0, (name, p.stdout.decode())


@case("learned, learned again, as the opposite, forgotten; scored")
def _(server):
    where = site(server, new_database(server, "one"))
    assert learn(where, "--dump", "magic", check=False)[0] == 255
    assert "Learned tokens from 80 message(s) (80 message(s) examined)" in learn(where, "--spam", *SPAM, "--ham", *HAM)[1]
    assert counts(where)[:2] == (40, 40)
    assert "Learned tokens from 0 message(s) (40" in learn(where, "--spam", *SPAM)[1]
    first = dump(where)
    learn(where, "--ham", SPAM[0])
    assert counts(where)[:2] == (39, 41)
    assert "Forgot tokens from 1 message(s) (1" in learn(where, "--forget", SPAM[0])[1]
    assert counts(where)[:2] == (39, 40)
    learn(where, "--spam", SPAM[0])
    assert dump(where) == first
    rows = int(server.sql("SELECT count(*) FROM bayes_token", "one"))
    assert counts(where) == (40, 40, rows), (counts(where), rows)
    assert "BAYES_HIGH" in verdict(where, message("spam", 100))
    assert "BAYES_LOW" in verdict(where, message("ham", 100))


@case("a backup restored is the same; users are apart; what is cleared is gone")
def _(server):
    where = site(server, new_database(server, "two"))
    learn(where, "--spam", *SPAM[:20], "--ham", *HAM[:20])
    text = tests.path("dump" + server.name)
    with open(text, "w", encoding="latin-1") as f:
        f.write(learn(where, "--backup")[1])
    learn(where, "-u", "other", "--restore", text)
    assert dump(where, LEARN, "-u", "other") == dump(where)
    before = magic(where)
    assert learn(where, "-u", "other", "--restore", SPAM[0], check=False)[0] == 255
    assert dump(where, LEARN, "-u", "other") == dump(where)
    learn(where, "-u", "other", "--spam", *SPAM[20:])
    assert magic(where) == before
    learn(where, "-u", "other", "--clear")
    assert learn(where, "-u", "other", "--dump", "magic", check=False)[0] == 255
    assert server.sql("SELECT count(*) FROM bayes_vars", "two").strip() == "1"
    over = site(server, server.dsn("two"), None, "bayes_sql_override_username shared")
    learn(over, "--ham", *HAM[:3])
    assert magic(where) == before and counts(over)[:2] == (0, 3)


@case("old tokens expire as in the embedded store")
def _(server):
    where = site(server, new_database(server, "three"), None, "bayes_expiry_max_db_size 110000", "bayes_auto_expire 1")
    r, now = random.Random(1), int(time.time()) - 1000
    text, plain = tests.path("large"), tests.path("plain" + server.name)
    if not os.path.exists(text):
        with open(text, "w") as f:
            f.write("v\t3\tdb_version # this must be the first line!!!\nv\t500\tnum_spam\nv\t500\tnum_nonspam\n")
            for number in range(130000):
                f.write("t\t%d\t%d\t%d\t%010x\n" % (r.randrange(3), r.randrange(1, 3), now - r.randrange(40 * 86400),
                                                 number * 7919))
    os.mkdir(plain)
    results = []
    for options in ([], ["--cf", "bayes_store_module", "--cf", "bayes_path %s/bayes" % plain]):
        learn(where, "--restore", text, *options)
        learn(where, "--force-expire", *options)
        results.append((sorted(learn(where, "--backup", *options)[1].splitlines()),
                        re.sub(r"(?m)^.*last expiry.*\n", "", learn(where, "--dump", "magic", *options)[1])))
    assert results[0] == results[1], [r[1] for r in results]
    assert len(results[0][0]) < 125000


@case("four processes learn at once: everything is counted")
def _(server):
    where = site(server, new_database(server, "four"))
    learn(where, "--spam", SPAM[0])
    running = [subprocess.Popen([LEARN, "-C", RULES, "--siteconfigpath", where, "-p", "/dev/null", "-L", "--spam" if n < 2
                                 else "--ham"] + (SPAM if n < 2 else HAM)[n % 2 * 20:n % 2 * 20 + 20],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for n in range(4)]
    for process in running:
        out = process.communicate(timeout=120)[0]
        assert process.returncode == 0, out
    alone = site(server, new_database(server, "alone"))
    learn(alone, "--spam", *SPAM, "--ham", *HAM)
    assert dump(where) == dump(alone)
    assert magic(where) == magic(alone)


@case("writers are killed at any moment: every finished learning is there, counts are right")
def _(server):
    where = site(server, new_database(server, "killed"))
    for turn in range(6):
        learn(where, "--spam", *SPAM[:turn + 1])
        victim = subprocess.Popen([LEARN, "-C", RULES, "--siteconfigpath", where, "-p", "/dev/null", "--ham"] + HAM,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.random() * 0.2)
        victim.kill()
        victim.wait()
        assert counts(where)[0] == turn + 1
    learn(where, "--ham", *HAM, "--spam", *SPAM)
    alone = site(server, server.dsn("alone"))
    assert dump(where) == dump(alone) and magic(where) == magic(alone)


def running_spamd(where):
    """spamd reads its configuration when it starts: so the files come first."""
    directory = tests.path("spamd%d" % random.getrandbits(60))
    os.mkdir(directory)
    os.chmod(directory, 0o755)
    shutil.copytree(where, os.path.join(directory, "site"))
    port = free_port()
    s = Spamd(directory, ["127.0.0.1:%d" % port], ["--allow-tell", "-m", "1", "--min-spare", "1", "--max-spare", "1"],
              rules=RULES)
    tests.ends.append(s)
    s.wait_for(("127.0.0.1", port))
    return s, ("127.0.0.1", port)


def process(address, text):
    begun = time.monotonic()
    answer = ask(address, request("PROCESS", text), timeout=60)
    assert answer.startswith(b"SPAMD/1.1 0 EX_OK"), answer[:200]
    found = re.search(rb"X-Spam-Bayes: (.*)", answer)
    return found.group(1).decode("latin-1") if found else "", time.monotonic() - begun


def said(s):
    """Lines of the log about a database, and what the sandbox did not let through."""
    return [line for line in s.log().splitlines() if " database " in line or "refused" in line]


@case("spamd: scored and learned; the server goes and comes back")
def _(server):
    where = site(server, new_database(server, "daemon"), None, "bayes_sql_override_username everybody")
    learn(where, "--spam", *SPAM, "--ham", *HAM)
    s, address = running_spamd(where)
    first = process(address, message("spam", 101))[0]
    assert "BAYES_HIGH" in first, (first, s.log()[-1500:])
    ham = message("ham", 300)
    answer = ask(address, request("TELL", ham, headers=["Message-class: ham", "Set: local"]))
    assert b"DidSet: local" in answer, answer
    assert counts(where)[:2] == (40, 41)
    if server.name == "SQLite":
        return
    # Between two messages: nobody sees it.
    server.stop()
    server.start()
    after = process(address, message("spam", 102))[0]
    assert "BAYES_HIGH" in after and not said(s), (after, said(s))
    # Away: messages come back, one line, and soon.
    server.stop()
    for number in range(5):
        bayes, seconds = process(address, message("spam", 103 + number))
        assert "BAYES" not in bayes and seconds < 15, (bayes, seconds)
    assert len(said(s)) == 1 and server.password not in s.log(), said(s)
    code, _out, err = learn(where, "--spam", SPAM[0], check=False)
    assert code == 255 and len(warnings(err)) == 1, (code, err)
    server.start()
    s.stop()
    s, address = running_spamd(where)
    assert "BAYES_HIGH" in process(address, message("spam", 102))[0]


@case("a wrong password, no tables, no such database: one line, and mail is scored")
def _(server):
    server.create("empty")
    bad = {"tables": site(server, server.dsn("empty"))}
    if server.user:
        bad["password"] = site(server, server.dsn("mail"), "wrong")
        bad["database"] = site(server, server.dsn("nothere"))
    else:
        bad["file"] = site(server, server.dsn("nothere"))
        bad["directory"] = site(server, "DBI:SQLite:dbname=/nonexistent/bayes")
    for name, where in bad.items():
        _code, out, err = run(COMMAND, where, text=message("spam", 1))
        assert "X-Spam-Bayes" in out and "BAYES" not in re.search("X-Spam-Bayes.*", out).group(0), out
        assert len(warnings(err)) == 1 and "secret" not in err, (name, err)
        code, _out, err = learn(where, "--spam", *SPAM, check=False)
        assert code == 255 and len(warnings(err)) == 1, (name, code, err)
        assert name != "tables" or "bayes_%s.sql" % server.suffix in err, err
        for action in ("--backup", "--clear", "--force-expire"):
            code, _out, err = learn(where, action, check=False)
            assert code == (0 if action == "--force-expire" else 255) and err, (name, action, code, err)
    server.tables(database="empty")
    assert "Learned tokens from 40" in learn(bad["tables"], "--spam", *SPAM)[1]


@case("a server that is silent costs seconds, not the message")
def _(server):
    if server.name == "SQLite":
        raise Skip("no server")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(5)
        dsn = server.dsn("mail", "127.0.0.1").replace(str(server.port), str(silent.getsockname()[1]))
        begun = time.monotonic()
        assert len(warnings(run(COMMAND, site(server, dsn), text=message("spam", 1))[2])) == 1
        assert time.monotonic() - begun < 20
    where = site(server, server.dsn("mail"), None, "bayes_sql_override_username everybody")
    learn(where, "--spam", *SPAM, "--ham", *HAM)
    s, address = running_spamd(where)
    first = process(address, message("spam", 101))[0]
    assert "BAYES_HIGH" in first, (first, s.log()[-1500:])
    pids = [server.process.pid] + [int(pid) for pid in subprocess.run(["pgrep", "-P", str(server.process.pid)],
                                                                     stdout=subprocess.PIPE).stdout.split()]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        first, again = process(address, message("spam", 104)), process(address, message("spam", 105))
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    assert "BAYES" not in first[0] + again[0] and first[1] < 30 and again[1] < 5, (first, again)


@tests.case("F40 SQLite: locked by another, deleted, read-only, cut, no database, another version: one line, mail is scored, soon")
def _():
    server = server_of(KINDS[2])
    path = server.path("f40")
    where = site(server, new_database(server, "f40"), None, "bayes_sql_override_username everybody")
    server.sql("PRAGMA journal_mode = DELETE", "f40")  # so that a writer keeps readers out
    learn(where, "--spam", *SPAM, "--ham", *HAM)
    with open(path, "rb") as f:
        whole = f.read()

    def scored(expected, text=message("spam", 101)):
        begun = time.monotonic()
        _code, out, err = run(COMMAND, where, text=text)
        assert ("BAYES_HIGH" in out) == (expected is None) and "X-Spam-Bayes" in out, out
        lines = warnings(err)
        assert (not lines if expected is None else len(lines) == 1 and re.search(expected, lines[0])), lines
        assert time.monotonic() - begun < 15

    scored(None)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    scored("locked")
    other.execute("ROLLBACK")
    other.close()
    scored(None)
    os.unlink(path)
    scored("there is no such file")
    for text, expected in ((whole[:len(whole) // 2], "malformed"), (b"", "no such table"), (b"x" * 9000, "not a database")):
        with open(path, "wb") as f:
            f.write(text)
        scored(expected)
        assert learn(where, "--spam", SPAM[0], check=False)[0] == 255
    with open(path, "wb") as f:
        f.write(whole)
    server.sql("UPDATE bayes_global_vars SET value = '4'", "f40")
    scored("VERSION '4'")
    server.sql("UPDATE bayes_global_vars SET value = '3'", "f40")
    scored(None)
    nobody = ["setpriv", "--reuid", "nobody", "--clear-groups"]
    module = os.path.join(BUILD, "lib", "store", "sql-sqlite.so")
    if os.geteuid() == 0 and shutil.which("setpriv") and subprocess.run(nobody + ["test", "-r", module]).returncode == 0:
        os.chmod(path, 0o444)
        p = subprocess.run(nobody + [LEARN, "-C", RULES, "--siteconfigpath", where, "-p", "/dev/null", "--ham", SPAM[0]],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        assert p.returncode == 255 and b"readonly" in p.stderr, (p.returncode, p.stderr)
        os.chmod(path, 0o666)
    # Deleted under a worker that has it open.
    s, address = running_spamd(where)
    assert "BAYES_HIGH" in process(address, message("spam", 101))[0]
    os.unlink(path)
    answer = ask(address, request("TELL", message("ham", 300), headers=["Message-class: ham", "Set: local"]), timeout=60)
    assert b"DidSet: local" not in answer, answer
    assert len(said(s)) == 1, said(s)


@tests.case("F10 SQLite: the disk is full: said, nothing half learned, mail is scored; with room it goes on")
def _():
    server, place = server_of(KINDS[2]), tests.path("full")
    if not HAS_MOUNTS:
        raise Skip("no mount namespace")
    os.mkdir(place)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", place]).returncode != 0:
        raise Skip("no tmpfs")
    with open(os.path.join(TABLES, "bayes_sqlite.sql")) as f:
        subprocess.run(["sqlite3", os.path.join(place, "db")], stdin=f, stdout=subprocess.DEVNULL, check=True)
    where = site(server, "DBI:SQLite:dbname=%s/db" % place)
    learn(where, "--spam", *SPAM[:8], "--ham", *HAM[:8])
    before, filler = dump(where), os.path.join(place, "fill")
    with open(filler, "wb", buffering=0) as f:
        try:
            while f.write(b"x" * 4096):
                pass
        except OSError:
            pass
    code, _out, err = learn(where, "--spam", *SPAM, check=False)
    assert code == 255 and "full" in err, err
    # Readers of a WAL need a file of their own there.
    _code, out, err = run(COMMAND, where, text=message("spam", 101))
    assert "X-Spam-Bayes" in out and ("BAYES_HIGH" in out or len(warnings(err)) == 1), (out, err)
    os.unlink(filler)
    assert dump(where) == before
    learn(where, "--spam", *SPAM[:12])
    assert counts(where)[:2] == (12, 8)


@case("bayes_sql_username_authorized: nobody is, without a plugin that says so")
def _(server):
    where = site(server, server.dsn("mail"), None, "bayes_sql_username_authorized 1")
    code, _out, err = learn(where, "--spam", SPAM[0], check=False)
    assert code == 255 and "bayes_sql_username_authorized" in err, err


# ---- beside the reference ----

REFERENCE = "/usr/bin/sa-learn", "/usr/bin/spamassassin"


def needs_reference(server):
    for program in REFERENCE:
        if not os.path.exists(program):
            raise Skip("no reference")
    if subprocess.run(["perl", "-M" + server.perl, "-e", "1"], stderr=subprocess.DEVNULL).returncode != 0:
        raise Skip("no " + server.perl)


def rows(server, database):
    """What is in the tables, each row."""
    token = {"PostgreSQL": "encode(token, 'hex')", "MariaDB": "lower(hex(token))",
             "SQLite": "lower(hex(cast(token AS blob)))"}[server.name]
    return [server.sql("SELECT %s FROM %s ORDER BY 1, 2, 3" % (what, table), database).splitlines() for what, table in (
        (token + ", spam_count, ham_count, atime", "bayes_token"), ("msgid, flag, id", "bayes_seen"),
        ("username, spam_count, ham_count, token_count, oldest_token_age, newest_token_age", "bayes_vars"))]


def exercise(steps, pick):
    """The same steps; pick(number): the program and where."""
    for number, arguments in enumerate(steps):
        program, where = pick(number)
        run(program, where, *arguments)


STEPS = [["--spam"] + SPAM[:20], ["--ham"] + HAM[:20], ["--spam"] + SPAM[15:30], ["--ham"] + HAM[20:], ["--ham"] + SPAM[:4],
         ["--forget"] + HAM[:6], ["--spam"] + SPAM[30:]]


@case("the reference learns the same: its rows are ours, scores are equal")
def _(server):
    needs_reference(server)
    ours, theirs = site(server, new_database(server, "ours")), site(server, new_database(server, "theirs"))
    exercise(STEPS, lambda _n: (LEARN, ours))
    exercise(STEPS, lambda _n: (REFERENCE[0], theirs))
    mine, other = rows(server, "ours"), rows(server, "theirs")
    for a, b in zip(mine, other):
        assert a == b, [pair for pair in zip(a, b) if pair[0] != pair[1]][:3]
    assert magic(ours) == magic(theirs, REFERENCE[0])
    # What SUBSTR of SQLite does to tokens that are no text (differences.md).
    if server.name != "SQLite":
        assert dump(ours) == dump(theirs, REFERENCE[0])
        for text in OTHER:
            assert verdict(ours, text) == verdict(theirs, text, REFERENCE[1])
    else:
        for text in OTHER:
            assert verdict(ours, text).split()[1] == verdict(theirs, text, REFERENCE[1]).split()[1]


@case("both use one database, by turns: as if one had done it all")
def _(server):
    needs_reference(server)
    shared, alone = site(server, new_database(server, "shared")), site(server, new_database(server, "single"))
    exercise(STEPS, lambda n: ((LEARN, REFERENCE[0])[n % 2], shared))
    exercise(STEPS, lambda _n: (LEARN, alone))
    for a, b in zip(rows(server, "shared"), rows(server, "single")):
        assert a == b, [pair for pair in zip(a, b) if pair[0] != pair[1]][:3]
    if server.name != "SQLite":
        for text in OTHER[::3]:
            assert verdict(shared, text) == verdict(shared, text, REFERENCE[1])
    text = tests.path("dump2" + server.name)
    with open(text, "w", encoding="latin-1") as f:
        f.write(learn(shared, "--backup")[1])
    run(REFERENCE[0], shared, "-u", "restored", "--restore", text)
    assert dump(shared, LEARN, "-u", "restored") == dump(shared)


# ---- senders ----

SENDERS = """loadplugin Mail::SpamAssassin::Plugin::%s
loadplugin Mail::SpamAssassin::Plugin::Check
"""
SENDER_RULES = """header %s eval:%s
priority %s 1000
body WORTH_A /worth-a/
body WORTH_B /worth-b/
score WORTH_A 3.3
score WORTH_B -1.7
clear_headers
add_header all Senders score=_SCORE_ _TESTSSCORES_
use_bayes 0
"""


def sender_site(server, plugin, dsn, *lines):
    where = site(server, dsn, None, "user_awl_dsn " + dsn, *lines)
    factory, rule, evaluation = {"AWL": ("auto_welcomelist_factory", "AWL", "check_from_in_auto_welcomelist()"),
                                 "TxRep": ("txrep_factory", "TXREP", "check_senders_reputation()")}[plugin]
    with open(os.path.join(where, "v.pre"), "w") as f:
        f.write(SENDERS % plugin)
    with open(os.path.join(where, "local.cf"), "a") as f:
        f.write(SENDER_RULES % (rule, evaluation, rule))
        f.write("%s Mail::SpamAssassin::SQLBasedAddrList\nuser_awl_sql_table %s\n" % (factory, plugin.lower()))
        f.write("use_txrep 1\n" * (plugin == "TxRep"))
        if server.user:
            f.write("user_awl_sql_username %s\nuser_awl_sql_password %s\n" % (server.user, server.password))
    return where


def sender_files():
    directory, r = tests.path("senders"), random.Random(7)
    if os.path.exists(directory):
        return sorted(os.path.join(directory, name) for name in os.listdir(directory))
    os.mkdir(directory)
    for number in range(30):
        who, ip = r.choice(["ann", "Bob", "o'neil", "j\xf6rg"]), r.choice(["192.0.2.%d" % r.randrange(9), "2a01:4f8:1::%d" % number])
        with open(os.path.join(directory, "%02d" % number), "w", encoding="latin-1") as f:
            f.write("Received: from mx.example.com (mx.example.com [%s]) by h; Tue, 1 Oct 2002 10:00:00 +0000\n"
                    "From: %s@example.com\nTo: me@example.org\nSubject: %d\nMessage-Id: <%d@example.com>\n"
                    "Date: Tue, 1 Oct 2002 10:00:00 +0000\n\n%s\n" % (
                        ip if "." in ip else "IPv6:" + ip, who, number, number, " ".join(r.sample(["worth-a", "worth-b", "x"], 2))))
    return sender_files()


def sender_rows(server, table, database):
    return server.sql("SELECT username, email, ip, signedby, msgcount, totscore FROM %s ORDER BY 1, 2, 3, 4" % table, database)


def sender_scores(program, where, files):
    return re.findall(r"(?m)^X-Spam-Senders: (.*(?:\n\s.*)*)", run(program, where, *files)[1])


@case("senders: AWL and TxRep score as the reference, row for row; both in one table")
def _(server):
    needs_reference(server)
    server.create("people")
    files = sender_files()
    for plugin in ("AWL", "TxRep"):
        table = plugin.lower()
        server.tables(table, "people")
        ours = sender_site(server, plugin, server.dsn("people"), "user_awl_sql_override_username us")
        theirs = sender_site(server, plugin, server.dsn("people"), "user_awl_sql_override_username them")
        mine, other = sender_scores(COMMAND, ours, files), sender_scores(REFERENCE[1], theirs, files)
        assert len(mine) == len(files) and mine == other, [pair for pair in zip(mine, other) if pair[0] != pair[1]][:3]
        rows = sender_rows(server, table, "people").splitlines()
        sets = [{row.split("|", 1)[1] for row in rows if row.startswith(who + "|")} for who in ("us", "them")]
        if server.name == "MariaDB" and plugin == "TxRep":  # a column of text: the reference's statement fails
            sets[0] = {row for row in sets[0] if not row.startswith("j")}
        assert sets[0] == sets[1], (sorted(sets[0] - sets[1])[:6], sorted(sets[1] - sets[0])[:6])
        # By turns, as if one had done it all.
        both = sender_site(server, plugin, server.dsn("people"), "user_awl_sql_override_username both")
        mixed = []
        for number in range(0, len(files), 10):
            mixed += sender_scores((COMMAND, REFERENCE[1])[number // 10 % 2], both, files[number:number + 10])
        assert mixed == mine, [pair for pair in zip(mine, mixed) if pair[0] != pair[1]]


@case("senders: spamd counts in its sandbox; the server goes, mail is scored; it comes back")
def _(server):
    server.create("workers")
    server.tables("awl", "workers")
    where = sender_site(server, "AWL", server.dsn("workers"), "user_awl_sql_override_username everybody")
    s, address = running_spamd(where)
    with open(sender_files()[0], "rb") as f:
        text = f.read()
    total = "SELECT sum(msgcount) FROM awl"
    for _n in range(3):
        ask(address, request("PROCESS", text))
    assert server.sql(total, "workers").strip() == "3" and not said(s), said(s)
    if server.name == "SQLite":
        s.stop()
        server.sql("PRAGMA journal_mode = DELETE", "workers")  # its journal is made and removed each time
        s, address = running_spamd(where)
        for _n in range(3):
            ask(address, request("PROCESS", text))
        assert server.sql(total, "workers").strip() == "6" and not said(s), said(s)
        assert os.listdir(server.directory).count("workers.sqlite-journal") == 0
        return
    server.stop()
    for _n in range(3):
        answer = ask(address, request("PROCESS", text), timeout=60)
        assert b"X-Spam-Senders: score=" in answer, answer[:300]
    assert len(said(s)) == 1 and server.password not in s.log(), said(s)
    server.start()
    s.stop()
    s, address = running_spamd(where)
    ask(address, request("PROCESS", text))
    assert server.sql(total, "workers").strip() == "4"


@case("senders: the reference's words of debugging; added, removed; a server that is not there is one line")
def _(server):
    server.create("words")
    server.tables("awl", "words")
    where = sender_site(server, "AWL", server.dsn("words"))
    text = sender_files()[0]
    for count, total in enumerate(("0.0", "3.3", "6.6")):
        err = run(COMMAND, where, "-D", "auto-welcomelist", "--cf", "score WORTH_B 0", text)[2]
        assert re.search(r"sql-based \S+\|(192\.0|2A01:\S+) scores -?\d+\.\d, msgcount %d" % count, err), (total, err)
    run(COMMAND, where, "--add-addr-to-welcomelist=ann@example.net")
    assert "ann@example.net|none||1|-100" in sender_rows(server, "awl", "words")
    run(COMMAND, where, "--remove-addr-from-welcomelist=ann@example.net")
    assert "ann@example.net" not in sender_rows(server, "awl", "words")
    # What was added without an address of a host becomes that of the first message (differences.md).
    server.sql("DELETE FROM awl", "words")
    with open(text, encoding="latin-1") as f:
        who = re.search("From: (.*)", f.read()).group(1)
    run(COMMAND, where, "--add-addr-to-welcomelist=" + who)
    assert "AWL=-" in sender_scores(COMMAND, where, [text])[0]
    assert re.search(r"\|(192\.0|2A01:04F8:0001::)\|\|2\|-9\d", sender_rows(server, "awl", "words")), sender_rows(server, "awl", "words")
    server.sql("DROP TABLE awl", "words")
    _code, out, err = run(COMMAND, where, text)
    assert "X-Spam-Senders: score=" in out and len([line for line in err.splitlines() if "database" in line]) == 1, err
    bad = sender_site(server, "AWL", server.dsn("words"), "user_awl_sql_table awl;")
    with open(os.path.join(bad, "local.cf"), "a") as f:
        f.write("user_awl_sql_table awl;drop\n")
    assert "is no name of a table" in run(COMMAND, bad, text)[2]


try:
    tests.main()
finally:
    for server in servers.values():
        server.stop()
