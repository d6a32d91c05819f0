/*
 * sql_tokens.h - the table bayes_token, in each dialect
 *
 * Owns: sql_tokens_*.  Data: sql_bayes.c -> statements of many tokens at once -> sql.h.
 * Source: SQL.pm, PgSQL.pm, MySQL.pm of 4.0.1, whose rows these are: token is 5 bytes (bytea,
 * binary(5); SQLite: text of these bytes).  What writes is called in a transaction.
 */
#ifndef WINNOW_STORE_SQL_TOKENS_H
#define WINNOW_STORE_SQL_TOKENS_H

#include "store/sql.h"
#include "store/store.h"

/* Of whom: bayes_vars.id. */
struct sql_tokens {
	struct sql *sql;
	int64_t user;
};

enum status sql_tokens_lookup(const struct sql_tokens *t, const struct store_key *keys,
                              size_t count, struct store_counts *counts_r,
                              struct error *error) WARN_UNUSED;
/* Adds counts to those that are there, else makes them; atime only grows.  The rows are put in
 * order.  *made_r: how many were not there. */
enum status sql_tokens_add(const struct sql_tokens *t, struct store_token *rows, size_t count,
                           uint64_t *made_r, struct error *error) WARN_UNUSED;
/* spam and ham are what to take away; no count goes below 0.  What has none is removed: *gone_r. */
enum status sql_tokens_subtract(const struct sql_tokens *t, const struct store_key *keys,
                                size_t count, int64_t spam, int64_t ham, uint64_t *gone_r,
                                struct error *error) WARN_UNUSED;
/* Of those that are older; *touched_r: how many were. */
enum status sql_tokens_touch(const struct sql_tokens *t, const struct store_key *keys, size_t count,
                             uint32_t atime, uint64_t *touched_r, struct error *error) WARN_UNUSED;
enum status sql_tokens_each(const struct sql_tokens *t, store_token_fn fn, void *data,
                            struct error *error) WARN_UNUSED;

#endif
