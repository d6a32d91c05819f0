#!/usr/bin/env python3
"""spamd --check-config: says what a start would stumble over, and opens nothing."""
import os
import subprocess

from harness import HERE, SPAMD, Tests

tests = Tests()
RULES = os.path.join(HERE, "rules")


def check(name, text, options=()):
    """(status, what it said) with this local.cf."""
    site = tests.path(name)
    os.makedirs(site)
    with open(os.path.join(site, "local.cf"), "w") as f:
        f.write(text)
    run = subprocess.run([SPAMD, "--check-config", "-L", "-C", RULES, "--siteconfigpath", site] + list(options),
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, text=True)
    assert run.stdout == "", run.stdout
    return run.returncode, run.stderr


@tests.case("a good configuration: nothing said, status 0, nothing opened")
def _():
    path, pid, log = tests.path("sock"), tests.path("pid"), tests.path("log")
    status, said = check("good", "required_score 4\n", ["-i", path, "-r", pid, "-s", log, "-d"])
    assert (status, said) == (0, ""), (status, said)
    assert not any(os.path.exists(p) for p in (path, pid, log))


@tests.case("bad lines are named with file and line; status 78")
def _():
    status, said = check("bad", "required_score 4\nfrobnicate 1\nheader X_BAD Subject =~ /(/\nscore X_BAD abc\n")
    assert status == 78, status
    for line in (2, 3, 4):
        assert "%s (line %d)" % (os.path.join(tests.path("bad"), "local.cf"), line) in said, said
    assert "configuration: 3 problems" in said, said


@tests.case("options that a start would refuse: networks, addresses, users, groups, keys")
def _():
    for number, (options, words) in enumerate((
            (["-A", "10.0.0.0/99"], "10.0.0.0/99"), (["-i", "[::1"], "[::1"), (["-i", "127.0.0.1:nonsense"], "nonsense"),
            (["-i", "/" + "x" * 200], "socket path longer"), (["-u", "no-such-user"], "unable to determine home directory for user 'no-such-user'"),
            (["-g", "no-such-group"], "no group no-such-group"),
            (["-i", "ssl:127.0.0.1:1783", "--server-cert", "/nowhere/cert.pem", "--server-key", "/nowhere/key.pem"], "/nowhere/"))):
        status, said = check("option%d" % number, "", options)
        assert status == 78 and words in said, (options, status, said)


@tests.case("several at once are all said")
def _():
    status, said = check("several", "frobnicate 1\n", ["-u", "no-such-user", "-A", "nonsense/1"])
    assert status == 78 and "configuration: 3 problems" in said, (status, said)


@tests.case("no rules at all")
def _():
    empty = tests.path("empty")
    os.makedirs(empty)
    status, said = check("norules", "", ["-C", empty])
    assert status == 78 and "no rules were found" in said, (status, said)


@tests.case("databases: a module that is not there, a server that is none, are said; nothing is connected to")
def _():
    for name, text, options, expected in (
            ("redis", "bayes_store_module Mail::SpamAssassin::BayesStore::Redis\nbayes_sql_dsn server=nowhere\n", [],
             ["error: bayes: bayes_sql_dsn: \"nowhere\" is no server", "cannot load"]),
            ("sql", "bayes_store_module Mail::SpamAssassin::BayesStore::PgSQL\n", [], ["needs a bayes_sql_dsn"]),
            ("other", "bayes_store_module My::Own\n", [], ["bayes_store_module My::Own is not one of this build"]),
            ("prefs", "user_scores_dsn DBI:Oracle:x\n", ["-q", "-u", "nobody"], ["error: config: user_scores_dsn: DSN: "]),
            ("ldap", "user_scores_dsn ldap://h\n", ["--ldap-config", "-u", "nobody"],
             ["user_scores_dsn: it names no attribute", "cannot load"])):
        status, said = check(name, text, options + ["--pre", "loadplugin Mail::SpamAssassin::Plugin::Bayes"])
        assert status == 78 and any(one in said for one in expected) and "configuration: 1 problem" in said, (name, said)
    status, said = check("fine", "user_scores_dsn DBI:SQLite:dbname=/nowhere/x\n", ["-q", "-u", "nobody"])
    assert status == 0 or "cannot load" in said, said


tests.main()
