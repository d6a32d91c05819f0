/*
 * redis_config.h - which Redis servers, from the configuration
 *
 * Owns: struct redis_servers.  Source: BayesStore::Redis of 4.0.1 (bayes_sql_dsn) and 4.0.2
 * (bayes_redis_*: a server that is written to, others that are read from, a prefix of all keys).
 *
 *	bayes_sql_dsn server=[2001:db8::1]:6379;password=secret;database=2
 *	bayes_redis_write_server server=/run/redis.sock
 *	bayes_redis_read_servers server=127.0.0.1:6379,server=192.0.2.1:6379;password=secret
 *
 * Options of ours besides server, password, database: user (of Redis 6), tls=1, tls_ca, tls_cert,
 * tls_key (files), tls_verify=0.  What else there is, is ignored as in the reference, but said.
 */
#ifndef WINNOW_STORE_REDIS_CONFIG_H
#define WINNOW_STORE_REDIS_CONFIG_H

#include "store/redis_driver.h"
#include "store/store.h"

enum { REDIS_READERS_MAX = 16 };

struct redis_servers {
	struct redis_target writer, readers[REDIS_READERS_MAX];
	size_t reader_count;
	bool is_one; /* what is written to is what is read from */
};

/* All texts live in the arena.  STATUS_BAD: says which directive, and what is wrong with it. */
enum status redis_config_parse(struct arena *arena, const struct store_config *config,
                               struct redis_servers *servers_r, struct error *error) WARN_UNUSED;

#endif
