#!/usr/bin/env python3
"""What was learned: sa-learn, spamassassin and spamd on one store; killed writers, a full disk, a damaged file."""
import os
import random
import re
import shutil
import subprocess
import sys
import time

from harness import BUILD, HERE, SOURCE, Skip, Tests, ask, free_port, mail, own_mounts, request
from lessons import message, write

HAS_MOUNTS = own_mounts(sys.argv[0])
tests = Tests()
LEARN = os.path.join(BUILD, "cmd", "sa-learn")
COMMAND = os.path.join(BUILD, "cmd", "spamassassin")
RULES, SITE, MAIL = os.path.join(HERE, "rules"), tests.path("site"), tests.path("mail")
os.mkdir(SITE)
os.mkdir(MAIL)
CONFIG = """loadplugin Mail::SpamAssassin::Plugin::Bayes
loadplugin Mail::SpamAssassin::Plugin::AutoLearnThreshold
bayes_file_mode 0777
bayes_min_ham_num 5
bayes_min_spam_num 5
body BAYES_LOW eval:check_bayes('0.00', '0.40')
body BAYES_HIGH eval:check_bayes('0.60', '1.00')
tflags BAYES_LOW nice learn
tflags BAYES_HIGH learn
score BAYES_LOW 0 0 -1.0 -1.0
score BAYES_HIGH 0 0 2.0 2.0
add_header all Status tests=_TESTS_ bayes=_BAYES_ autolearn=_AUTOLEARN_
"""
with open(os.path.join(SITE, "v.pre"), "w") as f:
    f.write("".join(line + "\n" for line in CONFIG.splitlines() if line.startswith("loadplugin")))
with open(os.path.join(SITE, "local.cf"), "w") as f:
    f.write("".join(line + "\n" for line in CONFIG.splitlines() if not line.startswith("loadplugin")))


SPAM, HAM = write(MAIL, "spam", 40), write(MAIL, "ham", 40)


def run(program, arguments, text=b"", check=True):
    p = subprocess.run([program, "-C", RULES, "--siteconfigpath", SITE, "-p", "/dev/null"] + list(arguments), input=text,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    assert not check or p.returncode == 0, (arguments[:4], p.returncode, p.stdout, p.stderr)
    return p.returncode, p.stdout.decode("latin-1"), p.stderr.decode("latin-1")


def learn(path, *arguments, **named):
    return run(LEARN, ["--dbpath", path] + list(arguments), **named)


def counts(path):
    out = learn(path, "--dump", "magic")[1]
    return tuple(int(re.search(r"(\d+) +0  non-token data: %s\n" % name, out).group(1))
                 for name in ("nspam", "nham", "ntokens"))


def scan(path, text):
    return run(COMMAND, ["-L", "-x", "--cf", "bayes_path " + path], text)


def directory(name):
    os.mkdir(tests.path(name))
    os.chmod(tests.path(name), 0o777)
    return tests.path(name)


STORE = os.path.join(directory("store"), "bayes")


@tests.case("learned, learned again, as the opposite, forgotten; scored")
def _():
    assert "Learned tokens from 80 message(s) (80 message(s) examined)" in learn(
        STORE, "--spam", *SPAM, "--ham", *HAM)[1]
    assert counts(STORE)[:2] == (40, 40)
    assert "Learned tokens from 0 message(s) (40" in learn(STORE, "--spam", *SPAM)[1]
    learn(STORE, "--ham", SPAM[0])
    assert counts(STORE)[:2] == (39, 41)
    assert "Forgot tokens from 1 message(s) (1" in learn(STORE, "--forget", SPAM[0])[1]
    learn(STORE, "--spam", SPAM[0])
    assert counts(STORE)[:2] == (40, 40)
    assert "BAYES_HIGH" in scan(STORE, message("spam", 100))[1]
    assert "BAYES_LOW" in scan(STORE, message("ham", 100))[1]


@tests.case("a backup restored is the same store; what is no backup changes nothing")
def _():
    dump, other = learn(STORE, "--backup")[1], os.path.join(directory("other"), "bayes")
    text = tests.path("dump")
    with open(text, "w", encoding="latin-1") as f:
        f.write(dump)
    learn(other, "--restore", text)
    assert learn(other, "--backup")[1] == dump
    assert counts(other) == counts(STORE)
    assert learn(other, "--restore", SPAM[0], check=False)[0] == 255
    assert learn(other, "--backup")[1] == dump
    learn(other, "--clear")
    assert learn(other, "--dump", "magic", check=False)[0] == 255


@tests.case("--import takes over what SpamAssassin learned into DB_File, once, and only into an empty store")
def _():
    path = os.path.join(directory("old"), "bayes")
    code, out, err = learn(path, "--import", check=False)
    assert code == 1 and "there is no" in err and not os.path.exists(path + ".lmdb"), (code, out, err)
    for end, name in (("_toks", "tokens"), ("_seen", "seen")):
        shutil.copy(os.path.join(SOURCE, "t", "fuzz", "corpus", "bdb", name), path + end)
    code, out, err = learn(path, "--import")
    assert out == "import successful, 60 tokens; original files were not touched\n", out
    assert counts(path) == (40, 25, 60)
    dump = learn(path, "--backup")[1].splitlines()
    assert "t\t7\t0\t1034007247\t0000000007" in dump and "t\t300\t12\t1034007247\t000000002d" in dump, dump
    assert "s\ts\t<1@spam.example>" in dump and "s\th\t<2@ham.example>" in dump, dump
    code, out, err = learn(path, "--import", check=False)
    assert code == 1 and "already" in err and counts(path) == (40, 25, 60), err
    os.unlink(path + ".lmdb")
    with open(path + "_toks", "r+b") as f:
        f.truncate(8192)
    learn(path, "--import", check=False)  # what is cut off is not there; nothing else happens
    with open(path + "_toks", "wb") as f:
        f.write(b"no database" * 100)
    code, out, err = learn(path, "--import", check=False)
    assert code == 1 and "no Berkeley DB hash file" in err, err


@tests.case("writers are killed at any moment: the store opens, every finished learning is there")
def _():
    path, done = os.path.join(directory("killed"), "bayes"), 0
    for turn in range(25):
        learn(path, "--spam", *SPAM[:turn + 1])
        done = turn + 1
        victim = subprocess.Popen([LEARN, "-C", RULES, "--siteconfigpath", SITE, "-p", "/dev/null", "--dbpath", path,
                                   "--ham"] + HAM, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.random() * 0.12)
        victim.kill()
        victim.wait()
        spam, _ham, _tokens = counts(path)
        assert spam == done, (spam, done)
    learn(path, "--ham", *HAM)
    assert counts(path)[:2] == (done, 40)


@tests.case("the disk is full: said, mail is scored, what was there stays")
def _():
    if not HAS_MOUNTS:
        raise Skip("no mount namespace")
    place = directory("full")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", place]).returncode != 0:
        raise Skip("no tmpfs")
    path = os.path.join(place, "bayes")
    learn(path, "--spam", *SPAM[:6], "--ham", *HAM[:6])
    before = counts(path)
    with open(os.path.join(place, "fill"), "wb", buffering=0) as f:
        try:
            while f.write(b"x" * 4096):
                pass
        except OSError:
            pass
    code, out, err = learn(path, "--spam", *SPAM, check=False)
    assert code == 255 and "No space left" in err, (code, out, err)
    assert counts(path) == before
    assert "BAYES_HIGH" in scan(path, message("spam", 100))[1]
    os.unlink(os.path.join(place, "fill"))
    learn(path, "--ham", HAM[10])
    assert counts(path)[1] == before[1] + 1


@tests.case("the file is damaged: said, mail is scored without it, --restore repairs")
def _():
    place = directory("damaged")
    path, text = os.path.join(place, "bayes"), tests.path("dump2")
    learn(path, "--spam", *SPAM, "--ham", *HAM)
    with open(text, "w", encoding="latin-1") as f:
        f.write(learn(path, "--backup")[1])
    with open(path + ".lmdb", "rb") as f:
        good = f.read()
    for damage in (good[:len(good) // 2], b"", b"x" * len(good), good[:8192] + os.urandom(len(good) - 8192), good[:100]):
        with open(path + ".lmdb", "wb") as f:
            f.write(damage)
        code, out, err = scan(path, message("spam", 100))
        assert "Subject: spam" in out and "BAYES" not in out, out
        if damage:
            assert "is damaged" in err, err
            assert learn(path, "--dump", "magic", check=False)[0] == 255
        learn(path, "--restore", text)
        assert counts(path)[:2] == (40, 40)
        assert "BAYES_HIGH" in scan(path, message("spam", 100))[1]


@tests.case("spamd learns, forgets and scores in its sandbox")
def _():
    path, port = os.path.join(directory("served"), "bayes"), free_port()
    server = tests.spamd(["127.0.0.1:%d" % port], ["--allow-tell", "--siteconfigpath", SITE, "--cf", "bayes_path " + path])
    address = ("127.0.0.1", port)
    server.wait_for(address)

    def tell(text, *headers):
        return ask(address, request("TELL", text, headers=headers))

    spam, local = ("Message-class: spam", "Set: local"), b"DidSet: local\r\n"
    for number in range(8):
        assert tell(message("spam", number), *spam).startswith(b"SPAMD/1.1 0 EX_OK\r\n" + local)
        assert local in tell(message("ham", number), "Message-class: ham", "Set: local")
    assert local not in tell(message("spam", 3), *spam)
    assert b"DidRemove: local\r\n" in tell(message("spam", 7), "Remove: local")
    assert b"DidRemove" not in tell(message("spam", 7), "Remove: local")
    assert counts(path)[:2] == (7, 8)
    assert b"BAYES_HIGH" in ask(address, request("SYMBOLS", message("spam", 100)))
    assert b"BAYES_LOW" in ask(address, request("SYMBOLS", message("ham", 100)))
    learn(path, "--clear")
    assert b"BAYES" not in ask(address, request("SYMBOLS", message("ham", 100)))
    learn(path, "--spam", *SPAM, "--ham", *HAM)
    assert b"BAYES_LOW" in ask(address, request("SYMBOLS", message("ham", 100)))
    assert server.stop() == 0
    assert "refused" not in server.log(), server.log()


tests.main()
