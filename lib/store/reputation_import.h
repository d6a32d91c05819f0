/*
 * reputation_import.h - the reference's lists of senders, as files
 *
 * Owns: reputation_import().  Source: what DBBasedAddrList of 4.0.1 writes with DB_File: a Berkeley
 * DB hash of "ADDRESS|ip=IP" -> messages, and the same key with "|totscore" behind it -> sum of
 * scores, numbers as text.  Any bytes may come: what makes no sense is left out.
 */
#ifndef WINNOW_STORE_REPUTATION_IMPORT_H
#define WINNOW_STORE_REPUTATION_IMPORT_H

#include "store/reputation.h"

/* Do these first 20 bytes or more begin such a file? */
bool reputation_import_knows(struct slice head);
/* file: all of it.  STATUS_BAD: no such file. */
enum status reputation_import(struct slice file, reputation_fn fn, void *data,
                              struct error *error) WARN_UNUSED;

#endif
