/*
 * zone_client.h - a dns_client that answers from a table, for tests
 *
 * Owns: struct zone_client.  Answers come when zone_run() is called, in the order of the questions
 * (or last first), so that nothing is called back from inside ask().  CNAMEs are followed.
 */
#ifndef WINNOW_T_UNIT_AUTH_ZONE_CLIENT_H
#define WINNOW_T_UNIT_AUTH_ZONE_CLIENT_H

#include "dns/ask.h"
#include "util/vec.h"

struct zone_row {
	struct slice name;
	struct slice type;      /* "A", ... "*": any other type; value TIMEOUT, SERVFAIL */
	struct slice values[8]; /* TXT: its strings */
	size_t value_count;
};

struct zone_question {
	struct slice name;
	unsigned type;
	dns_answered *answered;
	void *context;
};

struct zone_client {
	struct dns_client client;
	struct arena *arena;
	VEC(struct zone_row) rows;
	VEC(struct zone_question) questions; /* all there were */
	size_t answered;
	bool is_authenticated; /* what answers say */
};

void zone_client_init(struct zone_client *zone, struct arena *arena);
/* One more record; TXT: one string. */
void zone_add(struct zone_client *zone, const char *name, const char *type, const char *value);
/* Answers until nothing is asked any more. */
void zone_run(struct zone_client *zone);

#endif
