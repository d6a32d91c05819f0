/*
 * update_dns.c - TXT records, for a program that has nothing else to do
 */
#include "cmd/update_dns.h"

#include <poll.h>
#include <stdlib.h>

#include "dns/resolver.h"
#include "dns/wire.h"
#include "util/clock.h"
#include "util/strbuf.h"

enum { WAIT_MS = 60 * 1000, EDNS_BYTES = 4096 };

struct question {
	struct resolver_query query; /* first */
	struct arena *arena;
	struct slice name;
	bool is_over;
	struct dns_answer answer;
};

static void
answered(struct resolver_query *query, enum dns_outcome outcome, struct slice bytes)
{
	struct question *q = (struct question *)query;

	q->is_over = true;
	q->answer.outcome = outcome;
	if (outcome == DNS_ANSWERED &&
	    dns_answer_read(q->arena, bytes, q->name, DNS_TXT, &q->answer) != STATUS_OK)
		q->answer.outcome = DNS_FAILED;
}

/* ---- whom to ask ---- */

/* "port:N" among the words of RES_OPTIONS. */
static unsigned
port_of_environment(void)
{
	const char *options = getenv("RES_OPTIONS");
	struct slice rest = options == NULL ? SLICE("") : slice_from_cstr(options), word;
	unsigned long long port = 53;

	while (slice_next_word(&rest, &word))
		if (slice_starts(word, SLICE("port:")))
			(void)slice_to_u64(slice_from(word, 5), 65535, &port);
	return (unsigned)port;
}

static void
servers_of_environment(struct arena *arena, slice_vec *servers)
{
	const char *addresses = getenv("RES_NAMESERVERS");
	struct slice rest = addresses == NULL ? SLICE("") : slice_from_cstr(addresses), word;
	unsigned port = port_of_environment();

	while (slice_next_word(&rest, &word))
		(void)vec_push(arena, servers,
		               arena_printf(arena, "[%.*s]:%u", SLICE_FMT(word), port));
}

/* ---- asking ---- */

static void
wait_for(struct resolver *resolver, const struct question *q)
{
	int64_t deadline_ms = clock_monotonic_ms() + WAIT_MS;

	while (!q->is_over && clock_monotonic_ms() < deadline_ms) {
		struct pollfd fd = {resolver_fd(resolver), POLLIN, 0};

		(void)poll(&fd, 1, resolver_wait_ms(resolver, 1000));
		resolver_step(resolver);
	}
}

static void
take_texts(const struct question *q, slice_vec *texts)
{
	for (size_t i = 0; i < q->answer.record_count; i++) {
		const struct dns_record *r = &q->answer.records[i];
		struct strbuf text;

		if (r->type != DNS_TXT)
			continue;
		strbuf_init(&text, q->arena, 0);
		for (size_t k = 0; k < r->string_count; k++) {
			if (k > 0)
				strbuf_add_byte(&text, ' ');
			strbuf_add(&text, r->strings[k]);
		}
		if (text.len > 0)
			(void)vec_push(q->arena, texts, strbuf_slice(&text));
	}
}

static enum status
verdict(const struct question *q, const slice_vec *texts, struct error *error)
{
	if (texts->count > 0)
		return STATUS_OK;
	if (!q->is_over || q->answer.outcome == DNS_TIMEOUT)
		return error_set(error, STATUS_IO, "query timed out");
	if (q->answer.outcome == DNS_FAILED)
		return error_set(error, STATUS_IO, "no usable answer");
	return error_set(error, STATUS_NONE, "%s",
	                 q->answer.rcode == DNS_NXDOMAIN   ? "NXDOMAIN"
	                 : q->answer.rcode == DNS_SERVFAIL ? "SERVFAIL"
	                 : q->answer.rcode == DNS_REFUSED  ? "REFUSED"
	                                                   : "NOERROR, no TXT records");
}

enum status
update_dns_txt(struct arena *arena, const char *name, const struct log *log, slice_vec *texts_r,
               struct error *error)
{
	struct question *q = arena_new(arena, struct question);
	struct resolver_options options = {.edns_bytes = EDNS_BYTES, .log = log};
	slice_vec servers = {0};
	struct resolver *resolver;

	*texts_r = (slice_vec){0};
	if (q == NULL)
		return error_set(error, STATUS_LIMIT, "no memory");
	servers_of_environment(arena, &servers);
	options.servers = servers.items;
	options.server_count = servers.count;
	resolver = resolver_create(&options, error);
	if (resolver == NULL)
		return STATUS_IO;
	q->query.answered = answered;
	q->arena = arena;
	q->name = slice_from_cstr(name);
	if (resolver_ask(resolver, &q->query, q->name, DNS_TXT))
		wait_for(resolver, q);
	if (!q->is_over)
		resolver_forget(&q->query);
	take_texts(q, texts_r);
	resolver_destroy(&resolver);
	return verdict(q, texts_r, error);
}
