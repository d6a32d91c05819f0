/*
 * lmdb_check.h - is that an LMDB file that can be read without harm?
 *
 * Owns: lmdb_check().  Source: the format of LMDB 0.9 (MDB_DATA_VERSION 1).  The library trusts its
 * file; this looks at every page that a tree reaches, once, before it is given to it: numbers,
 * kinds, bounds of nodes, no page twice, none both used and free.
 */
#ifndef WINNOW_STORE_LMDB_CHECK_H
#define WINNOW_STORE_LMDB_CHECK_H

#include "util/slice.h"
#include "util/status.h"

/* file: all of it.  STATUS_BAD: the text says what is wrong.  Nobody may be writing. */
enum status lmdb_check(struct slice file, struct error *error) WARN_UNUSED;

#endif
