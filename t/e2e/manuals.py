#!/usr/bin/env python3
"""Option tables of the programs against their manual pages: each option that a table has stands in the page, and the
page's lists name no option that is not in the table."""
import os
import re
import sys

SRC = os.environ.get('srcdir', '.')
PAGES = {
    'sa-update': ('cmd/sa_update.c', 'doc/sa-update.1'),
    'spamassassin': ('cmd/spamassassin.c', 'doc/spamassassin.1'),
    'sa-check_spamd': ('cmd/sa_check_spamd.c', 'doc/sa-check_spamd.1'),
    'sa-compile': ('cmd/sa_compile.c', 'doc/sa-compile.1'),
    'sa-awl': ('cmd/sa_awl.c', 'doc/sa-awl.1'),
    'sa-learn': ('cmd/sa_learn.c', 'doc/sa-learn.1'),
    'spamc': ('spamc/options.c', 'doc/spamc.1'),
    'spamd': ('spamd/options.c', 'doc/spamd.8'),
}
MACROS = {'Ar', 'Ns', 'Op', 'Oo', 'Oc', 'Fl', 'Ev', 'Pa', 'Dv', 'Xo', 'Xc', 'Cm', 'Ic', 'Li', 'Nm', 'Ql', 'Xr', 'Sy'}


def read(name):
    with open(os.path.join(SRC, name)) as f:
        return f.read()


def table(text):
    """Options as written on a command line, a set for each row."""
    rows = text[text.index('rows[] = {'):]
    for line in rows[:rows.index('\n};')].splitlines():
        match = re.match(r"\s*\{ (?:\"([^\"]+)\"|NULL), ?(?:(?:'(.)'|0), )?(\w+)", line)
        if not match:
            continue
        names = (match.group(1) or '').split('|') + [match.group(2) or '']
        options = {('-' if len(n) == 1 else '--') + n for n in names if n}
        if 'CMD_NEGATABLE' in line:
            options |= {'--no' + n[2:] for n in options if n.startswith('--')}
        yield options


def flags(line):
    """Options of one line of mdoc: what follows Fl, up to the next macro."""
    found, inside = set(), False
    for word in line.replace('\\-', '-').split():
        if word in MACROS or word.startswith('.'):
            inside = word in ('Fl', '.Fl')
        elif inside and re.match(r'^-?[A-Za-z0-9?][\w-]*$', word):
            found.add('-' + word)
    return found


def check(program, source, page):
    rows, text = list(table(read(source))), read(page)
    known = set().union(*rows)
    listed = set().union(*(flags(x) for x in text.splitlines() if x.startswith('.It')))
    named = set().union(*(flags(x) for x in text.splitlines()))
    bad = [' '.join(sorted(row)) + ': not in ' + page for row in rows if not row & named]
    bad += [option + ': no option of ' + program for option in sorted(listed - known)]
    return bad


def main():
    print('1..%d' % len(PAGES))
    failed = 0
    for number, (program, (source, page)) in enumerate(sorted(PAGES.items()), 1):
        bad = check(program, source, page)
        for line in bad:
            print('# ' + line)
        print('%sok %d - %s' % ('not ' if bad else '', number, program))
        failed += bool(bad)
    return failed > 0


if __name__ == '__main__':
    sys.exit(main())
