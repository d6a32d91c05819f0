#!/usr/bin/env python3
"""sa-compile and the table cache: used when it is right, ignored with one debug line when it is not, never a verdict."""
import os
import re
import shutil
import subprocess

from harness import BUILD, HERE, Tests, mail, spamc

tests = Tests()
COMPILE = os.path.join(BUILD, "cmd", "sa-compile")
COMMAND = os.path.join(BUILD, "cmd", "spamassassin")
RULES, SITE, DIRECTORY = tests.path("rules"), tests.path("site"), tests.path("made/here")
TABLES = os.path.join(DIRECTORY, "tables")
shutil.copytree(os.path.join(HERE, "rules"), RULES)
os.mkdir(SITE)
CONFIGURED = ["-C", RULES, "--siteconfigpath", SITE]


def run(program, arguments=(), message=b"", cache=None, **more):
    env = dict(os.environ, WINNOW_CACHE=cache or "")
    p = subprocess.run([program] + CONFIGURED + list(arguments), input=message, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, env=env, timeout=120, **more)
    return p.returncode, p.stdout, p.stderr.decode("latin-1")


def scan(cache):
    """The verdict, and what was said of the cache."""
    code, out, err = run(COMMAND, ["-L", "-x", "-t", "-D", "cache"], mail("spam"), cache)
    assert code == 0, (code, err)
    # what tells of the time: the line of our Received, the boundary
    out = re.sub(rb"----------=_[0-9A-F.]+", b"=_", re.sub(rb"(?m)^\t[A-Z][a-z]{2}, .*\n", b"", out))
    return out, [l for l in err.splitlines() if "cache:" in l]


def compile_tables(*options):
    code, out, err = run(COMPILE, ["--updatedir", DIRECTORY] + list(options))
    assert code == 0, (code, out, err)
    return out


WITHOUT = scan("")[0]
GOOD = None


def ignored(change, why):
    """After `change` of a good file it is not used, which is said in one line; the verdict stays."""
    with open(TABLES, "wb") as f:
        f.write(GOOD)
    os.chmod(TABLES, 0o644)
    change()
    verdict, lines = scan(TABLES)
    assert verdict == WITHOUT
    assert len(lines) == 1 and "ignored" in lines[0] and why in lines[0], lines


def write(data):
    def change():
        with open(TABLES, "wb") as f:
            f.write(data)
    return change


@tests.case("sa-compile writes the tables; the command uses them; same verdict")
def _():
    global GOOD
    out = compile_tables()
    assert re.search(rb"\d+ patterns of \d+ kinds of text compiled into .*tables, \d+ KB\n", out), out
    assert os.stat(TABLES).st_mode & 0o777 == 0o644
    assert os.listdir(DIRECTORY) == ["tables"]
    with open(TABLES, "rb") as f:
        GOOD = f.read()
    compile_tables("--quiet")
    with open(TABLES, "rb") as f:
        assert f.read() == GOOD, "equal rules make equal files"
    verdict, lines = scan(TABLES)
    assert verdict == WITHOUT
    sets = re.search(r"(\d+) of (\d+) sets of rules, (\d+) patterns known$", lines[0])
    assert len(lines) == 1 and sets and sets[1] == sets[2] != "0" and int(sets[3]) > 0, lines


@tests.case("no cache, none named, a directory: built as without one")
def _():
    assert scan(tests.path("nothing"))[1][0].count("no table cache") == 1
    assert scan("")[1] == []
    verdict, lines = scan(SITE)
    assert verdict == WITHOUT and "ignored: not a regular file" in lines[0], lines


@tests.case("truncated, empty, of another kind, of another version, damaged directory: ignored")
def _():
    ignored(write(b""), "too short")
    ignored(write(GOOD[:40]), "too short")
    ignored(write(GOOD[:len(GOOD) // 2]), "truncated")
    ignored(write(GOOD[:-1]), "truncated")
    ignored(write(GOOD + b"\0"), "truncated")
    ignored(write(b"x" * 5000), "not a table cache")
    ignored(write(GOOD[:20] + bytes([GOOD[20] ^ 1]) + GOOD[21:]), "another version")
    ignored(write(GOOD[:90] + bytes([GOOD[90] ^ 1]) + GOOD[91:]), "damaged")


@tests.case("others may write to it, a link, owned by another user: ignored")
def _():
    ignored(lambda: os.chmod(TABLES, 0o666), "others may write")
    ignored(lambda: os.chmod(TABLES, 0o664), "others may write")
    if os.geteuid() == 0:
        ignored(lambda: os.chown(TABLES, 65534, 65534), "owned by another user")
        os.chown(TABLES, 0, 0)
    compile_tables("--quiet")
    link = tests.path("link")
    os.symlink(TABLES, link)
    verdict, lines = scan(link)
    assert verdict == WITHOUT and len(lines) == 1 and "ignored" in lines[0], lines


@tests.case("a damaged table is made anew")
def _():
    for at in range(3000, len(GOOD), len(GOOD) // 7):
        write(GOOD[:at] + bytes([GOOD[at] ^ 0x55]) + GOOD[at + 1:])()
        assert scan(TABLES)[0] == WITHOUT
    write(GOOD)()


@tests.case("rules that changed: their tables are not used, the others are, the verdict follows the rules")
def _():
    with open(os.path.join(SITE, "local.cf"), "w") as f:
        f.write("body LOCAL_NEW /./\nscore LOCAL_NEW 0.25\n")
    verdict, lines = scan(TABLES)
    assert b"LOCAL_NEW" in verdict
    assert len(lines) == 1 and "the rest is stale" in lines[0], lines
    assert not re.search(" 0 of", lines[0]), lines
    assert scan("")[0] == verdict
    compile_tables("--quiet")
    again, lines = scan(TABLES)
    assert again == verdict and "stale" not in lines[0], lines
    os.unlink(os.path.join(SITE, "local.cf"))
    compile_tables("--quiet")


@tests.case("spamd maps it before it forks and says so with -D")
def _():
    path = tests.path("socket")
    server = tests.spamd([path], ["-m", "1", "-D", "cache"], rules=RULES, env=dict(os.environ, WINNOW_CACHE=TABLES))
    server.wait_for(path)
    assert re.search(r"cache: table cache \S+: (\d+) of \1 sets of rules", server.log() + server.stderr()), server.log()
    with open("/proc/%d/maps" % server.workers()[0]) as f:
        assert TABLES in f.read()
    plain = tests.spamd([tests.path("plain")], ["-m", "1"], rules=RULES, env=dict(os.environ, WINNOW_CACHE=""))
    plain.wait_for(tests.path("plain"))
    for name in ("ham", "spam"):
        a, b = (spamc(["-U", p, "-y"], mail(name)) for p in (path, tests.path("plain")))
        assert a == b and a[0] == 0, (a, b)


@tests.case("a configuration with errors is not compiled; nothing is written")
def _():
    shutil.rmtree(DIRECTORY)
    code, out, err = run(COMPILE, ["--updatedir", DIRECTORY, "--cf", "body BROKEN /(/"])
    assert code == 255 and "not compiling; 'spamassassin --lint' check failed!" in err, (code, err)
    assert not os.path.exists(TABLES)


@tests.case("a directory that is not ours to write to, a full path that cannot be")
def _():
    closed = tests.path("closed")
    os.mkdir(closed, 0o555)
    if os.geteuid() != 0:
        code, _, err = run(COMPILE, ["--updatedir", closed])
        assert code == 13 and "cannot write to" in err, (code, err)
    code, _, err = run(COMPILE, ["--updatedir", os.path.join(RULES, "10_test.cf")])
    assert code == 255 and "cannot" in err, (code, err)


@tests.case("--list writes nothing; --help, --version, unknown options; options without a meaning say so")
def _():
    code, out, err = run(COMPILE, ["--updatedir", DIRECTORY, "--list"])
    assert code == 0 and out.startswith(b"name body\norig ") and b"\nr " in out, (code, out[:200], err)
    assert not os.path.exists(TABLES)
    code, out, err = run(COMPILE, ["--help"])
    assert code == 64 and out == b"" and "Usage:" in err, (code, out, err)
    code, out, err = run(COMPILE, ["-V"])
    assert code == 0 and out.startswith(b"SpamAssassin version "), (code, out)
    code, out, err = run(COMPILE, ["--nonsense"])
    assert code == 64 and "Unknown option" in err, (code, err)
    code, out, err = run(COMPILE, ["--updatedir", DIRECTORY, "--sudo", "--keep-tmps", "--quiet"])
    assert code == 0 and out == b"" and err.count("has no effect") == 2, (code, out, err)
    assert os.path.exists(TABLES)


tests.main()
