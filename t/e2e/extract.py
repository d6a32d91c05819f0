#!/usr/bin/env python3
"""ExtractText end to end: a program's output is the text of an attachment, one that hangs is ended in time, and one
that is missing or fails changes nothing."""
import base64
import os
import subprocess
import sys
import tempfile
import time

BUILD = os.environ.get('top_builddir') or os.getcwd()
CONFIG = """loadplugin Mail::SpamAssassin::Plugin::ExtractText
extracttext_external cat /bin/cat {}
extracttext_use cat .txt application/x-cat
extracttext_external hang %s {}
extracttext_use hang .hang
extracttext_external none /nonexistent/tool {}
extracttext_use none .none
extracttext_external bad /bin/false {}
extracttext_use bad .bad
extracttext_timeout 1
body FOUND /hello w.rld/
score FOUND 1
header FLAG exists:X-ExtractText-Words
score FLAG 1
add_header all Tests _TESTS_
add_header all Words _EXTRACTTEXTWORDS_ _EXTRACTTEXTTOOLS_ _EXTRACTTEXTEXTENSIONS_
"""


def message(name, data):
    return (b'From: a@b.example\nSubject: x\nMIME-Version: 1.0\nContent-Type: application/octet-stream; name="'
            + name + b'"\nContent-Transfer-Encoding: base64\n\n' + base64.encodebytes(data))


def scan(config, name, data):
    out = subprocess.run([os.path.join(BUILD, 'cmd/spamassassin'), '-L', '-x', '-C', config, '--siteconfigpath',
                          '/nonexistent', '-p', '/dev/null'], input=message(name, data), stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, timeout=30,
                         env=dict(os.environ, TMPDIR=os.path.dirname(config))).stdout
    return dict(x.split(b': ', 1) for x in out.split(b'\n\n')[0].split(b'\n') if b': ' in x)


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as d:
        hang, config = os.path.join(d, 'hang'), os.path.join(d, 'rules.cf')
        with open(hang, 'w') as f:
            f.write('#!/bin/sh\ntrap "" TERM\nwhile :; do sleep 1; done\n')
        os.chmod(hang, 0o755)
        with open(config, 'w') as f:
            f.write(CONFIG % hang)
        text = b'hello world, hello'
        rows = [('text of an attachment', b'a.txt', b'FLAG,FOUND', b'2 cat txt'),
                ('a program that hangs', b'a.hang', b'FLAG', b'0 hang hang'),
                ('a program that is not there', b'a.none', b'none', None),
                ('a program that fails', b'a.bad', b'none', None),
                ('nothing to do', b'a.xyz', b'none', None)]
        print('1..%d' % (len(rows) + 1))
        for number, (what, name, tests, words) in enumerate(rows, 1):
            begun = time.time()
            got = scan(config, name, text)
            good = (got.get(b'X-Spam-Tests') == tests and time.time() - begun < 10
                    and (words is None or got.get(b'X-Spam-Words') == words))
            failed += not good
            print('%sok %d - %s%s' % ('' if good else 'not ', number, what, '' if good else ' # %r' % got))
        left = [x for x in os.listdir(d) if x.startswith('.spamassassin-')]
    print('%sok %d - no files are left behind' % ('not ' if left else '', len(rows) + 1))
    return failed > 0 or bool(left)


if __name__ == '__main__':
    sys.exit(main())
