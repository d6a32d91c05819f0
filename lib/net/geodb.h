/*
 * geodb.h - countries of addresses
 *
 * Owns: struct geodb, an open GeoIP2 database (MaxMind's .mmdb format, read by libmaxminddb).
 * Source: GeoDB.pm of 4.0.1: a city database is preferred to a country one, file names and
 * directories as there.  Data: files -> geodb -> plugins/relaycountry.c.
 * The file is mapped, so that all workers share it; it is closed with the arena it lives in.  What
 * comes out of it is a stranger's data: at most GEODB_COUNTRY_MAX bytes of it are believed.
 */
#ifndef WINNOW_NET_GEODB_H
#define WINNOW_NET_GEODB_H

#include "util/arena.h"
#include "util/log.h"

#define GEODB_COUNTRY_MAX 16

struct geodb;

struct geodb_options {
	struct slice city, country; /* paths; empty: search for them */
	const struct slice *directories;
	size_t directory_count; /* 0: the usual ones */
};

/* NULL: there is none, said as debug lines. */
struct geodb *geodb_open(struct arena *arena, const struct geodb_options *options,
                         const struct log *log);
/*
 * Two letters; "**" for private addresses, "XX" when the database does not know, "" without an
 * address.  In the arena or static.
 */
struct slice geodb_country(const struct geodb *db, struct arena *arena, struct slice ip);

#endif
