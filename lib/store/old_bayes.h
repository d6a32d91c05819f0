/*
 * old_bayes.h - what the reference learned into DB_File, as a dump
 *
 * Owns: old_bayes_dump().  Source: BayesStore/DBM.pm of 4.0.1: bayes_toks and bayes_seen, Berkeley
 * DB hashes of version 3.  Any bytes may come: what makes no sense is left out.
 * Data: the two files -> text as dump.h reads it -> dump_restore().
 */
#ifndef WINNOW_STORE_OLD_BAYES_H
#define WINNOW_STORE_OLD_BAYES_H

#include <stdio.h>

#include "util/slice.h"
#include "util/status.h"

/* seen: data NULL: none.  STATUS_BAD: no such files, or of another version. */
enum status old_bayes_dump(struct slice tokens, struct slice seen, FILE *out,
                           struct error *error) WARN_UNUSED;

#endif
