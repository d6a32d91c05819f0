/*
 * template.h - patterns for header shapes
 *
 * Owns: struct template_match.  A template is a C string of bytes that stand for themselves and of
 * these, each "%" and a letter:
 *
 *   word of non-blanks     %h helo  %r rdns  %b by  %d ident  %n name  %_ (kept nowhere)
 *   the same, may be empty %H helo  %D ident  %0
 *   %i IP address, kept    %I IP address
 *   %* %? anything         %s anything, kept as sub     %t word characters but ")", kept as sub
 *   %4 %5 up to 40 bytes but ")", up to 100 bytes       %# digits  %9 digits, may be empty
 *   %) bytes but ")"       %N the same, kept as name    %a the same, a letter first
 *   %x helo but ")"        %X helo but " ()"            %u bytes but blanks and "@"
 *   %k bytes but "."       %; bytes but blanks and ";"  %q rdns with a dot inside
 *   %y by, ends in .yahoo.com    %g name: mail.gmx.net or mail.gmx.com    %m by, hotmail.msn.com
 *   %E HELO or EHLO        %M ESMTP or SMTP, kept as sub
 *   %o and a byte          that byte, or nothing
 *   %z "%zone" or nothing  %p "." or ":" and digits, or nothing
 *   %L a way to say localhost     %w word boundary     %$ end     %% a percent sign
 *
 * What repeats takes as much as it can (%? and %s: as little), and gives back when the rest does
 * not fit.
 */
#ifndef WINNOW_MAIL_TEMPLATE_H
#define WINNOW_MAIL_TEMPLATE_H

#include "util/slice.h"

struct template_match {
	struct slice ip, helo, rdns, by, ident, name, sub;
	size_t end;
};

/* Fits the template to text at `at`? What a template keeps is set in *match_r only then. */
bool template_match_at(const char *template, struct slice text, size_t at,
                       struct template_match *match_r);
/* At the first place where it fits, from `at` on. */
bool template_search(const char *template, struct slice text, size_t at,
                     struct template_match *match_r);

#endif
