#!/usr/bin/env python3
"""Preferences of users from PostgreSQL, MariaDB, SQLite and OpenLDAP of the test's own, beside the reference's spamd where it is."""
import os
import re
import socket
import subprocess
import sys
import threading

from harness import Skip, Tests, ask, free_port, has_ipv6, own_mounts, own_network, request, until
from ldap_server import Ldap
from sql_servers import KINDS

HAS_NETWORK, HAS_MOUNTS = own_network(sys.argv[0]), own_mounts(sys.argv[0])
tests = Tests()
RULES, SITE = tests.path("rules"), tests.path("site")
for directory in (RULES, SITE):
    os.mkdir(directory)
with open(os.path.join(RULES, "rules.cf"), "w") as f:
    f.write("""body TEST_A /offer/
score TEST_A 2
body TEST_B /meeting/
score TEST_B 0.5
body TEST_C /minutes/
score TEST_C 0
report _SUMMARY_
""")
with open(os.path.join(SITE, "v.pre"), "w") as f:
    f.write("loadplugin Mail::SpamAssassin::Plugin::Check\nloadplugin Mail::SpamAssassin::Plugin::WLBLEval\n")
with open(os.path.join(SITE, "local.cf"), "w") as f:
    f.write("""header USER_IN_WELCOMELIST eval:check_from_in_welcomelist()
score USER_IN_WELCOMELIST -100
add_header all Status _YESNO_, score=_SCORE_ required=_REQD_
add_header all Tests _TESTSSCORES(,)_
report_safe 0
use_bayes 0
""")
MAIL = (b"From: a@ok.example\nTo: b@example.org\nSubject: news\nDate: Tue, 1 Oct 2002 10:00:00 +0000\n"
        b"Message-Id: <1@ok.example>\n\nAn offer for the meeting, with minutes.\n")
PREFS = {
    "@GLOBAL": ["add_header all Global yes", "score TEST_A 3"],
    "alice": ["required_score 2", "score TEST_B 4", "rewrite_header Subject *****SPAM*****", "welcomelist_from *@other.example"],
    "bob@example.org": ["score TEST_A 1", "welcomelist_from *@ok.example", "score TEST_C 0.25"],
    "o'hara": ["required_score 1", "report_safe 1"],
    "a\\b": ["score TEST_B 7"],
    "evil": ["bayes_path /tmp/evil", "user_scores_dsn DBI:SQLite:dbname=/tmp/evil", "loadplugin Evil /tmp/evil.pm",
             "body EVIL /./", "score EVIL 100", "body TEST_A /./", "report_safe 0", "required_score -5", "allow_user_rules 1",
             "body LATER /./", "score LATER 100"],
    "broken": ["nonsense x", "score TEST_A abc", "required_score", "score TEST_B 1.5", "lang de score TEST_B 9", "if (0)"],
    "lines": ["required_score 1\nscore TEST_B 9", "# score TEST_B 3", "  score   TEST_A   6  "],
}
NAMES = list(PREFS) + ["nobody", "stranger", "ALICE", "alice ", "@example.org", "bob@", None]
CURIOUS = ["' or '1'='1", "x' union select 'required_score', '-100' --", "alice'; drop table userpref; --", "%", "*", "*)(uid=*",
           "a*", "alice)(uid=*", "\\2a", "ali\\63e", "%2a", "_USERNAME_", "__USERNAME__", "_TABLE_", "?", "$1", ":1",
           "\xc3\xa9", "x" * 3000]
REFERENCE = "/usr/sbin/spamd"
servers, problems = {}, {}


def quoted(text, kind):
    text = text.replace("'", "''")
    return "'%s'" % (text.replace("\\", "\\\\") if kind.name == "MariaDB" else text)


def fill(server, prefs):
    rows = []
    for name, lines in prefs.items():
        for line in lines:
            key, _blank, value = line.strip().partition(" ") if "\n" not in line else line.partition(" ")
            rows.append("INSERT INTO userpref (username, preference, value) VALUES (%s, %s, %s);" % tuple(
                quoted(text, server) for text in (name, key, value)))
    server.sql("\n".join(rows))


def server_of(kind):
    """Made once; the database and its rows."""
    if kind in problems:
        raise Skip(problems[kind])
    if kind not in servers:
        try:
            servers[kind] = kind(tests.path(kind.__name__))
            if kind is Ldap:
                servers[kind].fill(PREFS)
                servers[kind].start()
            else:
                servers[kind].tables("userpref")
                fill(servers[kind], PREFS)
        except Skip as reason:
            problems[kind] = str(reason)
            raise
    return servers[kind]


def account(server):
    return ["user_scores_sql_username " + server.user, "user_scores_sql_password " + server.password] if server.user else []


def sql_lines(server, how=None, *more):
    return ["user_scores_dsn " + (server.dsns[how] if how else list(server.dsns.values())[0])] + account(server) + list(more)


def ldap_lines(server, how="IPv4", what="spamassassin?sub?uid=__USERNAME__"):
    return ["user_scores_dsn %s/%s?%s" % (server.urls[how], server.base, what), "user_scores_ldap_username " + server.user,
            "user_scores_ldap_password " + server.password]


def cf(lines):
    return [word for line in lines for word in ("--cf", line)]


def start(lines, *options, user=("-u", "nobody")):
    port = free_port()
    spamd = tests.spamd(["127.0.0.1:%d" % port], ["-m", "1", "--max-conn-per-child", "0", "--siteconfigpath", SITE, *user] +
                        cf(lines) + list(options), rules=RULES)
    spamd.wait_for(("127.0.0.1", port))
    return spamd, ("127.0.0.1", port)


def answer(address, user, headers=()):
    headers = list(headers) + ([] if user is None else ["User: " + user])
    return ask(address, request("PROCESS", MAIL, headers=headers).decode().encode("latin-1"))


def verdict(address, user):
    """What the filter added to the message."""
    text = answer(address, user).decode("latin-1").replace("\r\n", "\n")
    head, _empty, mail = text.partition("\n\n")
    lines = re.sub(r"\n[ \t]+", " ", mail.partition("\n\n")[0]).split("\n")
    return (re.sub(r"Content-length: \d+\n?", "", head),
            [line for line in lines if re.match(r"X-Spam-(?!Checker|Report)|Subject:", line)])


class Reference:
    """The reference's spamd with the same configuration."""

    def __init__(self, directory, lines, *options, user=("-u", "nobody")):
        os.makedirs(directory, exist_ok=True)
        os.chmod(directory, 0o777)
        self.port = free_port()
        self.process = subprocess.Popen(
            [REFERENCE, "-L", "-x", "-s", os.path.join(directory, "log"), "-C", RULES, "--siteconfigpath", SITE, "-i", "127.0.0.1",
             "-p", str(self.port), "-m", "1", "--max-conn-per-child", "1000", *user] + cf(lines) + list(options),
            stdin=subprocess.DEVNULL, stdout=open(os.path.join(directory, "out"), "wb"), stderr=subprocess.STDOUT, cwd="/")
        self.address = ("127.0.0.1", self.port)
        until(self.is_up, 60)

    def is_up(self):
        assert self.process.poll() is None
        try:
            return b"PONG" in ask(self.address, b"PING SPAMC/1.2\r\n\r\n")
        except OSError:
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


def has_perl(module):
    return os.path.exists(REFERENCE) and subprocess.run(["perl", "-M" + module, "-e1"], stdout=subprocess.DEVNULL,
                                                        stderr=subprocess.DEVNULL).returncode == 0


def compare(name, lines, address, option, module, names):
    if not has_perl(module):
        print("# no reference, or no %s for it" % module)
        return
    reference = Reference(tests.path("reference-" + name), lines, option)
    try:
        for user in names:
            ours, theirs = verdict(address, user), verdict(reference.address, user)
            assert ours == theirs, (user, ours, theirs)
        print("# %d users: the same as the reference" % len(names))
    finally:
        reference.stop()


def status(address, user):
    m = re.search(r"(?:Yes|No), score=(-?[\d.]+) required=(-?[\d.]+)", str(verdict(address, user)[1]))
    return float(m.group(1)), float(m.group(2))


def check_users(address, with_global):
    plain = (3.5, 5.0) if with_global else (2.5, 5.0)
    add = 1 if with_global else 0
    assert status(address, "stranger") == plain and status(address, None) == plain
    assert status(address, "alice") == (6 + add, 2.0)
    assert "Subject: *****SPAM***** news" in verdict(address, "alice")[1]
    assert status(address, "bob@example.org") == (-98.2, 5.0)
    assert status(address, "o'hara") == (plain[0], 1.0)
    assert status(address, "a\\b") == (9 + add, 5.0)
    assert status(address, "evil") == (plain[0], -5.0)
    return plain


def sql_cases(kind):
    @tests.case("%s: rows of @GLOBAL and of users are their preferences, no more than those, as in the reference" % kind.name)
    def _():
        server = server_of(kind)
        lines = sql_lines(server)
        spamd, address = start(lines, "-q")
        plain = check_users(address, True)
        for name in CURIOUS:
            assert status(address, name) == plain, name
        assert status(address, "lines") == (15.0, 1.0)
        # No name in a database of UTF-8: nothing is found, nor of @GLOBAL.
        assert status(address, "\x80\xff") == ((2.5, 5.0) if kind.name == "PostgreSQL" else plain)
        log = spamd.log()
        assert "refused" not in log and log.count("failed to load") == (kind.name == "PostgreSQL"), log
        compare(kind.__name__, lines, address, "-q", kind.perl, NAMES)
        assert spamd.stop() == 0

    @tests.case("%s: every way there; a query of the site's; what changes counts for the next message" % kind.name)
    def _():
        server = server_of(kind)
        for how in server.dsns:
            if how != "IPv6" or has_ipv6():
                spamd, address = start(sql_lines(server, how), "--sql-config")
                assert status(address, "alice") == (7.0, 2.0), how
                spamd.stop()
        domain = "'@~' || _DOMAIN_" if kind.name != "MariaDB" else "CONCAT('@~', _DOMAIN_)"
        query = ("user_scores_sql_custom_query SELECT preference, value FROM _TABLE_ WHERE username = _USERNAME_ OR username = "
                 "_MAILBOX_ OR username = '@GLOBAL' OR username = %s ORDER BY username ASC" % domain)
        fill(server, {"@~example.net": ["required_score 4.5"], "carol": ["score TEST_B 2"]})
        spamd, address = start(sql_lines(server, None, query), "-q")
        assert status(address, "carol@example.net") == (5.0, 4.5)
        assert status(address, "carol") == (5.0, 5.0)
        assert status(address, "dave@example.net") == (3.5, 4.5)
        assert status(address, "@example.net") == (3.5, 4.5) and status(address, "x@y@example.net") == (3.5, 5.0)
        for name in CURIOUS:
            assert status(address, name) == (3.5, 5.0), name
        compare("query-" + kind.__name__, sql_lines(server, None, query), address, "-q", kind.perl,
                ["carol@example.net", "carol", "dave@example.net", "@example.net", "x@y@example.net", "carol@", "", None])
        server.sql("DELETE FROM userpref WHERE username = 'carol'")
        assert status(address, "carol") == (3.5, 5.0)
        spamd.stop()

    @tests.case("%s: the database is away, or has no such table: said once, the message is scored as the site says" % kind.name)
    def _():
        server = server_of(kind)
        spamd, address = start(sql_lines(server), "-q")
        assert status(address, "alice") == (7.0, 2.0)
        server.sql("ALTER TABLE userpref RENAME TO elsewhere")
        assert [status(address, "alice") for _turn in range(5)] == [(2.5, 5.0)] * 5
        server.sql("ALTER TABLE elsewhere RENAME TO userpref")
        assert status(address, "alice") == (7.0, 2.0)
        told = [line for line in spamd.log().splitlines() if "failed to load user" in line]
        assert len(told) == 1 and "info: config: failed to load user (alice) scores from SQL database, using a global default: " \
            in told[0] and (server.password or "none") not in told[0], told
        if kind.name != "SQLite":
            server.stop()
            assert [status(address, "alice") for _turn in range(5)] == [(2.5, 5.0)] * 5
            told = [line for line in spamd.log().splitlines() if "failed to load user" in line]
            assert len(told) == 2, told
            strict, other = start(sql_lines(server, None, "user_scores_fallback_to_global 0"), "-q")
            for _turn in range(3):
                assert answer(other, "alice").startswith(
                    b"SPAMD/1.0 69 Service Unavailable: Error fetching user preferences via SQL\r\n")
            assert strict.log().count("warn: config: failed to load user") == 1
            strict.stop()
            server.start()
            spamd.process.send_signal(1)  # new workers ask at once, old ones after half a minute
            until(lambda: status(address, "alice") == (7.0, 2.0), 60)
        spamd.stop()


for kind in KINDS:
    sql_cases(kind)


@tests.case("LDAP: values of the attribute are a user's preferences, as in the reference; names are escaped")
def _():
    server = server_of(Ldap)
    lines = ldap_lines(server)
    spamd, address = start(lines, "--ldap-config")
    plain = check_users(address, False)
    for name in CURIOUS:
        assert status(address, name) == plain, name
    log = spamd.log()
    assert "refused" not in log and "failed to load" not in log, log
    # Net::LDAP gets names as they are: those that a filter understands otherwise are left out.
    compare("ldap", lines, address, "--ldap-config", "Net::LDAP", [n for n in NAMES if n is None or "\\" not in n])
    assert spamd.stop() == 0


@tests.case("LDAP: every way there; scopes, filters, many entries; who may not read")
def _():
    server = server_of(Ldap)
    for how in server.urls:
        spamd, address = start(ldap_lines(server, how), "--ldap-config")
        assert status(address, "alice") == (6.0, 2.0), how
        spamd.stop()
    for what, expected in (("spamassassin?one?(%26(objectClass=inetOrgPerson)(uid=__USERNAME__))", (6.0, 2.0)),
                           ("spamassassin,cn?sub?(|(uid=__USERNAME__)(uid=a%5c5cb))", (9.0, 2.0)),
                           ("spamassassin??uid=__USERNAME__", (2.5, 5.0)), ("cn?sub?uid=__USERNAME__", (2.5, 5.0)),
                           ("spamassassin?sub?uid=__USERNAME__*", (6.0, 2.0))):
        spamd, address = start(ldap_lines(server, what=what), "--ldap-config")
        assert status(address, "alice") == expected, what
        spamd.stop()
    spamd, address = start(ldap_lines(server)[:1], "--ldap-config")
    assert status(address, "alice") == (2.5, 5.0)
    assert "failed" not in spamd.log()
    spamd.stop()
    for lines, text in ((ldap_lines(server)[:2] + ["user_scores_ldap_password wrong"], "bind: Invalid credentials"),
                        (ldap_lines(server, what="spamassassin?sub?(uid=__USERNAME__"), "search: Bad search filter"),
                        (["user_scores_dsn ldap://127.0.0.1/dc=x"], "it names no attribute"),
                        (["user_scores_dsn DBI:Pg:dbname=x"], "it is no LDAP URL"), ([], "not set: there are no preferences")):
        spamd, address = start(lines, "--ldap-config")
        assert [status(address, "alice") for _turn in range(3)] == [(2.5, 5.0)] * 3
        assert spamd.log().count(text) <= 2 and text in spamd.log(), (text, spamd.log())
        spamd.stop()


@tests.case("LDAP: the server is away, hangs, or talks nonsense: said once, the message is scored as the site says")
def _():
    server = server_of(Ldap)
    spamd, address = start(ldap_lines(server), "--ldap-config")
    assert status(address, "alice") == (6.0, 2.0)
    server.stop()
    server.start()
    assert status(address, "alice") == (6.0, 2.0)
    assert "failed" not in spamd.log()
    server.stop()
    assert [status(address, "alice") for _turn in range(5)] == [(2.5, 5.0)] * 5
    assert spamd.log().count("info: ldap: failed to load user (alice) scores from LDAP server, using a global default: ") == 1
    server.start()
    spamd.process.send_signal(1)
    until(lambda: status(address, "alice") == (6.0, 2.0), 60)
    spamd.stop()
    for talk in (b"", b"\x30\x84\xff\xff\xff\xff" + b"x" * 99, os.urandom(2000), b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00" * 9):
        listener = socket.create_server(("127.0.0.1", 0))
        held = []

        def serve():
            while True:
                try:
                    held.append(listener.accept()[0])
                    held[-1].sendall(talk)
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        url = "user_scores_dsn ldap://127.0.0.1:%d/dc=x?spamassassin?sub?uid=__USERNAME__" % listener.getsockname()[1]
        spamd, address = start([url], "--ldap-config")
        assert [status(address, "alice") for _turn in range(10)] == [(2.5, 5.0)] * 10
        assert spamd.log().count("failed to load user") == 1, spamd.log()
        spamd.stop()
        listener.close()


@tests.case("no name server answers: said once, the message is scored as the site says")
def _():
    if not HAS_NETWORK or not HAS_MOUNTS:
        raise Skip("no namespaces")
    with open(tests.path("resolv.conf"), "w") as f:
        f.write("nameserver 127.0.0.1\n")
    subprocess.run(["mount", "--bind", tests.path("resolv.conf"), "/etc/resolv.conf"], check=True)
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", 53))
    try:
        for dsn, option in (("DBI:Pg:dbname=x;host=db.example.org", "-q"), ("DBI:mysql:x:db.example.org", "-q"),
                            ("ldap://db.example.org/dc=x?spamassassin?sub?uid=__USERNAME__", "--ldap-config")):
            spamd, address = start(["user_scores_dsn " + dsn], option)
            if "cannot load" not in spamd.log():
                assert [status(address, "alice") for _turn in range(5)] == [(2.5, 5.0)] * 5
                told = [line for line in spamd.log().splitlines() if "failed to load user" in line]
                assert len(told) == 1 and "no name server answers in time" in told[0], told
            spamd.stop()
    finally:
        silent.close()
        subprocess.run(["umount", "/etc/resolv.conf"], check=True)


def sqlite():
    return server_of(KINDS[-1])


@tests.case("with users' files: the file first, then the rows")
def _():
    if os.geteuid() != 0:
        raise Skip("not root")
    server = sqlite()
    fill(server, {"games": ["score TEST_B 2.5"]})
    spamd, address = start(sql_lines(server), "-q", "--user-config")
    assert status(address, "games") == (5.5, 5.0)
    spamd.stop()


@tests.case("rules of users only where the site allows them; no file is included")
def _():
    server = sqlite()
    secret = tests.path("secret")
    with open(secret, "w") as f:
        f.write("required_score 77\n")
    os.chmod(secret, 0o644)
    fill(server, {"ruler": ["body MINE /offer/", "score MINE 3", "include " + secret, "header OTHER eval:check_rbl('x', 'y.example')"]})
    spamd, address = start(sql_lines(server), "-q")
    assert status(address, "ruler") == (3.5, 5.0)
    spamd.stop()
    spamd, address = start(sql_lines(server, None, "allow_user_rules 1"), "-q")
    assert status(address, "ruler") == (6.5, 5.0)
    assert "MINE=3" in str(verdict(address, "ruler"))
    spamd.stop()


@tests.case("more than a mebibyte of rows: said, left out")
def _():
    server = sqlite()
    server.sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO userpref "
               "(username, preference, value) SELECT 'many', 'welcomelist_from', printf('%060d@example.com', i) FROM n")
    spamd, address = start(sql_lines(server), "-q")
    assert status(address, "many") == (2.5, 5.0)
    assert "more than 1048576 bytes of preferences" in spamd.log()
    spamd.stop()


@tests.case("a module that is not there, a DSN that names nothing: said at the start, mail is scored")
def _():
    for lines, env, text in ((["user_scores_dsn DBI:Oracle:x"], {}, "user_scores_dsn: "), ([], {}, "user_scores_dsn: not set"),
                             (["user_scores_dsn DBI:SQLite:dbname=/x"], {"WINNOW_MODULES": "/nonexistent"}, "cannot load")):
        port = free_port()
        spamd = tests.spamd(["127.0.0.1:%d" % port], ["-q", "--siteconfigpath", SITE, "-u", "nobody"] + cf(lines), rules=RULES,
                            env=dict(os.environ, **env))
        spamd.wait_for(("127.0.0.1", port))
        assert "error: config: " + text[:7] in spamd.log() or text in spamd.log(), spamd.log()
        assert status(("127.0.0.1", port), "alice") == (2.5, 5.0)
        spamd.stop()


@tests.case("-q and --ldap-config want -u; -Q and --setuid-with-ldap run the message as its user")
def _():
    from harness import run_spamd
    for option in ("--sql-config", "--ldap-config"):
        code, _out, err = run_spamd("-L", "-x", option, "-C", RULES, "--siteconfigpath", SITE, "-i", "127.0.0.1:0")
        assert code != 0 and "spamd: cannot use %s without -u" % option in err, (code, err)
    if os.geteuid() != 0:
        raise Skip("not root")
    server = sqlite()
    fill(server, {"daemon": ["required_score 3"]})
    spamd, address = start(sql_lines(server), "-Q", user=())
    assert status(address, "daemon") == (3.5, 3.0)
    assert "setuid to daemon succeeded" in spamd.log() and " for daemon:%d" % 1 in spamd.log(), spamd.log()
    assert status(address, "no-such-user")[1] == 5.0
    assert status(address, None)[1] == 5.0
    spamd.stop()
    directory = server_of(Ldap)
    spamd, address = start(ldap_lines(directory), "--setuid-with-ldap", user=())
    assert status(address, "daemon") == (2.5, 5.0)
    assert "setuid to daemon succeeded" in spamd.log() and "failed" not in spamd.log()
    spamd.stop()


try:
    tests.main()
finally:
    for server in servers.values():
        server.stop()
