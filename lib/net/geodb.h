/*
 * geodb.h - countries, providers and networks of addresses
 *
 * Owns: struct geodb, open GeoIP2 databases (MaxMind's .mmdb format, read by libmaxminddb).
 * Source: GeoDB.pm of 4.0.1: a city database is preferred to a country one, one of providers to one
 * of networks; file names and directories as there.  Data: files -> geodb ->
 * plugins/relaycountry.c, urilocalbl.c, asn.c. The file is mapped, so that all workers share it; it
 * is closed with the arena it lives in.  What comes out of it is a stranger's data: at most
 * GEODB_COUNTRY_MAX (GEODB_NAME_MAX) bytes of it are believed.
 */
#ifndef WINNOW_NET_GEODB_H
#define WINNOW_NET_GEODB_H

#include "util/arena.h"
#include "util/log.h"

#define GEODB_COUNTRY_MAX 16
#define GEODB_NAME_MAX 512

struct geodb;

enum geodb_want {
	GEODB_PLACES = 1U << 0, /* countries, continents */
	GEODB_ISPS = 1U << 1,
	GEODB_NETWORKS = 1U << 2 /* AS numbers */
};

struct geodb_options {
	unsigned wants;                       /* bits of enum geodb_want */
	struct slice city, country, isp, asn; /* paths; empty: search for them */
	const struct slice *directories;
	size_t directory_count; /* 0: the usual ones */
};

/* NULL: there is none of those wanted, said as debug lines. */
struct geodb *geodb_open(struct arena *arena, const struct geodb_options *options,
                         const struct log *log);
/*
 * Two letters; "**" for private addresses, "XX" when the database does not know, "" without an
 * address.  In the arena or static.
 */
struct slice geodb_country(const struct geodb *db, struct arena *arena, struct slice ip);
/* The same for continents ("EU"); private addresses are "XX". */
struct slice geodb_continent(const struct geodb *db, struct arena *arena, struct slice ip);
/* Name of the provider; data NULL: unknown. */
struct slice geodb_isp(const struct geodb *db, struct arena *arena, struct slice ip);
/* AS number as decimal text, its owner (data NULL: unknown); false: unknown. */
bool geodb_asn(const struct geodb *db, struct arena *arena, struct slice ip, struct slice *number_r,
               struct slice *owner_r);
/* Is there a database for it? */
bool geodb_has(const struct geodb *db, enum geodb_want what);

#endif
