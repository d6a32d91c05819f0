/*
 * sql_dsn.h - DBI's data source names
 */
#ifndef WINNOW_STORE_SQL_DSN_H
#define WINNOW_STORE_SQL_DSN_H

#include "store/sql_driver.h"
#include "util/arena.h"

/* Everything but the times.  The target lives in the arena.  STATUS_BAD: what is wrong with it. */
enum status sql_dsn_parse(struct arena *arena, const struct sql_config *config,
                          struct sql_target *target_r, struct error *error) WARN_UNUSED;

#endif
