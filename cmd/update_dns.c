/*
 * update_dns.c - TXT records, for a program that has nothing else to do
 */
#include "cmd/update_dns.h"

#include <stdlib.h>

#include "dns/blocking.h"
#include "util/strbuf.h"

enum { WAIT_MS = 60 * 1000, EDNS_BYTES = 4096 };

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

/* The strings of each TXT record, joined by blanks. */
static void
take_texts(struct arena *arena, const struct dns_answer *answer, slice_vec *texts)
{
	for (size_t i = 0; i < answer->record_count; i++) {
		const struct dns_record *r = &answer->records[i];
		struct strbuf text;

		if (r->type != DNS_TXT)
			continue;
		strbuf_init(&text, arena, 0);
		for (size_t k = 0; k < r->string_count; k++) {
			if (k > 0)
				strbuf_add_byte(&text, ' ');
			strbuf_add(&text, r->strings[k]);
		}
		if (text.len > 0)
			(void)vec_push(arena, texts, strbuf_slice(&text));
	}
}

static enum status
verdict(const struct dns_answer *answer, const slice_vec *texts, struct error *error)
{
	if (texts->count > 0)
		return STATUS_OK;
	if (answer->outcome == DNS_TIMEOUT)
		return error_set(error, STATUS_IO, "query timed out");
	if (answer->outcome == DNS_FAILED)
		return error_set(error, STATUS_IO, "no usable answer");
	return error_set(error, STATUS_NONE, "%s",
	                 answer->rcode == DNS_NOERROR ? "NOERROR, no TXT records"
	                                              : dns_rcode_name(answer->rcode));
}

enum status
update_dns_txt(struct arena *arena, const char *name, const struct log *log, slice_vec *texts_r,
               struct error *error)
{
	struct resolver_options options = {.edns_bytes = EDNS_BYTES, .log = log};
	slice_vec servers = {0};
	struct resolver *resolver;
	struct dns_answer answer;

	*texts_r = (slice_vec){0};
	servers_of_environment(arena, &servers);
	options.servers = servers.items;
	options.server_count = servers.count;
	resolver = resolver_create(&options, error);
	if (resolver == NULL)
		return STATUS_IO;
	answer = dns_ask_blocking(resolver, arena, slice_from_cstr(name), DNS_TXT, WAIT_MS);
	take_texts(arena, &answer, texts_r);
	resolver_destroy(&resolver);
	return verdict(&answer, texts_r, error);
}
