/*
 * resolver.c - asks name servers, many questions at once
 */
#include "dns/resolver.h"

#include <ares.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/time.h>

#include "dns/random.h"
#include "dns/sockets.h"
#include "dns/wire.h"
#include "util/clock.h"
#include "util/hashmap.h"

enum {
	TRY_MS = 1000, /* the first wait for a server; twice as long in every next round */
	TRIES = 4,
	DARK_QUESTIONS = 8, /* so many in a row without any answer: we stop hoping */
	PROBE_MS = 30000,   /* and try one question so often */
	LIES_MAX = 8,       /* answers in wrong letters to one question, before we give it up */
	BUCKETS = 4096,
	UDP_BYTES_MAX = 4096, /* c-ares takes no more */
	SERVERS_MAX = 64,
	SCRATCH_BYTES = 1 << 20,
	FULL_MS = 5 /* the network took no more: until it is tried again */
};

/* On the wire. */
struct resolver_question {
	struct resolver *resolver;
	struct resolver_question *next, **link; /* of its bucket */
	struct resolver_query *first;           /* who wait for it */
	struct dns_question wire;
	struct slice name;
	unsigned type;
	unsigned lies;
	unsigned char name_text[];
};

struct resolver {
	ares_channel channel;
	struct dns_sockets *sockets;
	struct resolver_options options;
	struct resolver_question *buckets[BUCKETS];
	unsigned char ids[65536 / 8]; /* in flight */
	struct dns_random random;
	struct resolver_counts counts;
	struct arena *scratch; /* for a look at an answer's TTL */
	unsigned silent;       /* questions given up since the last answer */
	int64_t probe_ms;      /* dark: when the next question may leave */
	bool is_dark;
};

/* ---- ids ---- */

/* One that no question in flight has, 65536: none is left. */
static unsigned
take_id(struct resolver *r)
{
	uint16_t start;

	dns_random_take(&r->random, &start, sizeof(start));
	for (unsigned i = 0; i < 65536; i++) {
		unsigned id = (start + i) & 0xffff;

		if (r->ids[id / 8] >> (id % 8) & 1)
			continue;
		r->ids[id / 8] |= (unsigned char)(1U << (id % 8));
		return id;
	}
	return 65536;
}

static void
give_id(struct resolver *r, const struct dns_question *wire)
{
	unsigned id = (unsigned)wire->bytes[0] << 8 | wire->bytes[1];

	r->ids[id / 8] &= (unsigned char)~(1U << (id % 8));
}

/* ---- servers that are gone ---- */

static void
note_answer(struct resolver *r)
{
	if (r->is_dark)
		log_info(r->options.log, "dns", "name servers answer again");
	r->is_dark = false;
	r->silent = 0;
}

static void
note_timeout(struct resolver *r)
{
	if (++r->silent < DARK_QUESTIONS || r->is_dark)
		return;
	r->is_dark = true;
	r->probe_ms = clock_monotonic_ms() + PROBE_MS;
	log_warn(r->options.log, "dns",
	         "no name server answers: questions fail at once, one is tried every %d s",
	         PROBE_MS / 1000);
}

/* true: it is of no use to ask now. */
static bool
is_hopeless(struct resolver *r)
{
	int64_t now_ms;

	if (!r->is_dark)
		return false;
	now_ms = clock_monotonic_ms();
	if (now_ms < r->probe_ms)
		return true;
	r->probe_ms = now_ms + PROBE_MS;
	return false;
}

/* ---- questions ---- */

static unsigned
bucket_of(struct slice name, unsigned type)
{
	return (hash_bytes_nocase(name) ^ type * 2654435761U) % BUCKETS;
}

static struct resolver_question *
find_question(const struct resolver *r, struct slice name, unsigned type)
{
	struct resolver_question *q = r->buckets[bucket_of(name, type)];

	while (q != NULL && !(q->type == type && slice_ieq(q->name, name)))
		q = q->next;
	return q;
}

static void
unlink_question(struct resolver_question *q)
{
	if (q->link == NULL)
		return;
	*q->link = q->next;
	if (q->next != NULL)
		q->next->link = q->link;
	q->link = NULL;
}

static void
end_question(struct resolver_question *q, enum dns_outcome outcome, struct slice bytes)
{
	struct resolver_query *query;

	unlink_question(q); /* an equal one that comes now is a new one */
	while ((query = q->first) != NULL) {
		resolver_forget(query);
		query->answered(query, outcome, bytes);
	}
	q->resolver->counts.in_flight--;
	give_id(q->resolver, &q->wire);
	free(q);
}

static bool write_question(struct resolver_question *q);
static void send_question(struct resolver_question *q);

/* Somebody answers who does not see our question, or a server that loses the letters' case. */
static void
ask_again(struct resolver_question *q)
{
	struct resolver *r = q->resolver;

	r->counts.lied++;
	log_debug(r->options.log, "dns", "answer to %.*s with letters of other case dropped",
	          SLICE_FMT(q->name));
	give_id(r, &q->wire);
	if (++q->lies < LIES_MAX && q->first != NULL && write_question(q))
		send_question(q);
	else
		end_question(q, DNS_FAILED, SLICE_NULL);
}

/* Keeps it for other processes, and for later, as long as it says. */
static void
keep_answer(struct resolver_question *q, struct slice bytes)
{
	struct resolver *r = q->resolver;
	struct dns_answer answer;

	if (r->options.cache == NULL || bytes.len > DNS_CACHE_ANSWER_MAX)
		return;
	arena_reset(r->scratch);
	if (dns_answer_read(r->scratch, bytes, q->name, q->type, &answer) != STATUS_OK ||
	    answer.is_truncated || (answer.rcode != DNS_NOERROR && answer.rcode != DNS_NXDOMAIN))
		return;
	dns_cache_put(r->options.cache, q->name, q->type, bytes, answer.ttl_s,
	              answer.record_count == 0, clock_monotonic_ms());
}

/* true: the answer was there. */
static bool
answer_from_cache(struct resolver *r, struct resolver_query *query, struct slice name,
                  unsigned type)
{
	unsigned char bytes[DNS_CACHE_ANSWER_MAX];
	size_t len;

	if (r->options.cache == NULL)
		return false;
	len = dns_cache_get(r->options.cache, name, type, clock_monotonic_ms(), bytes);
	if (len == 0)
		return false;
	r->counts.cached++;
	query->answered(query, DNS_ANSWERED, slice_of(bytes, len));
	return true;
}

static void
on_answer(void *data, int status, int timeouts, unsigned char *bytes, int len)
{
	struct resolver_question *q = data;
	struct resolver *r = q->resolver;
	struct slice answer = slice_of(bytes, len > 0 ? (size_t)len : 0);

	(void)timeouts;
	if (status == ARES_SUCCESS && r->options.mixes_case &&
	    !dns_answer_is_for(answer, &q->wire, true)) {
		ask_again(q);
		return;
	}
	if (status == ARES_SUCCESS) {
		r->counts.answered++;
		note_answer(r);
		keep_answer(q, answer);
	} else if (status != ARES_EDESTRUCTION) {
		r->counts.failed++;
		if (status == ARES_ETIMEOUT)
			note_timeout(r); /* a refusal costs no time, and may end at any moment */
	}
	if (status != ARES_SUCCESS)
		log_debug(r->options.log, "dns", "question %.*s failed: %s", SLICE_FMT(q->name),
		          ares_strerror(status));
	end_question(q,
	             status == ARES_SUCCESS    ? DNS_ANSWERED
	             : status == ARES_ETIMEOUT ? DNS_TIMEOUT
	                                       : DNS_FAILED,
	             answer);
}

static bool
write_question(struct resolver_question *q)
{
	struct resolver *r = q->resolver;
	unsigned char case_bits[DNS_NAME_BYTES_MAX / 8 + 1];
	struct dns_question_options options = {.edns_bytes = r->options.edns_bytes,
	                                       .no_checking = r->options.no_checking};

	options.id = take_id(r);
	if (options.id > 0xffff)
		return false;
	if (r->options.mixes_case) {
		dns_random_take(&r->random, case_bits, sizeof(case_bits));
		options.case_bits = case_bits;
	}
	if (dns_question_write(q->name, q->type, &options, &q->wire) == STATUS_OK)
		return true;
	q->wire.bytes[0] = (unsigned char)(options.id >> 8);
	q->wire.bytes[1] = (unsigned char)options.id;
	give_id(r, &q->wire);
	return false;
}

static void
send_question(struct resolver_question *q)
{
	ares_send(q->resolver->channel, q->wire.bytes, (int)q->wire.len, on_answer, q);
}

static void
join(struct resolver_question *q, struct resolver_query *query)
{
	query->question = q;
	query->next = q->first;
	query->link = &q->first;
	if (q->first != NULL)
		q->first->link = &query->next;
	q->first = query;
}

bool
resolver_ask(struct resolver *r, struct resolver_query *query, struct slice name, unsigned type)
{
	struct resolver_question *q;
	unsigned bucket;

	query->question = NULL;
	while (name.len > 0 && name.data[name.len - 1] == '.')
		name.len--;
	q = find_question(r, name, type);
	if (q != NULL) {
		r->counts.shared++;
		join(q, query);
		return true;
	}
	if (name.len > DNS_NAME_BYTES_MAX)
		return false;
	if (answer_from_cache(r, query, name, type))
		return true;
	if (is_hopeless(r)) {
		query->answered(query, DNS_TIMEOUT, SLICE_NULL);
		return true;
	}
	q = calloc(1, sizeof(*q) + name.len);
	if (q == NULL)
		return false;
	memcpy(q->name_text, name.data, name.len);
	q->resolver = r;
	q->name = slice_of(q->name_text, name.len);
	q->type = type;
	if (!write_question(q)) {
		free(q);
		return false;
	}
	bucket = bucket_of(q->name, type);
	q->next = r->buckets[bucket];
	q->link = &r->buckets[bucket];
	if (q->next != NULL)
		q->next->link = &q->next;
	r->buckets[bucket] = q;
	r->counts.asked++;
	r->counts.in_flight++;
	join(q, query);
	send_question(q);
	return true;
}

void
resolver_forget(struct resolver_query *query)
{
	if (query->question == NULL)
		return;
	*query->link = query->next;
	if (query->next != NULL)
		query->next->link = query->link;
	query->question = NULL;
	query->link = NULL;
}

/* ---- the loop's side ---- */

int
resolver_fd(const struct resolver *resolver)
{
	return dns_sockets_fd(resolver->sockets);
}

int
resolver_wait_ms(struct resolver *resolver, int most_ms)
{
	struct timeval most, buf, *left;
	long long ms;

	dns_sockets_flush(resolver->sockets);
	if (dns_sockets_are_full(resolver->sockets) && most_ms > FULL_MS)
		most_ms = FULL_MS;
	most = (struct timeval){most_ms / 1000, most_ms % 1000 * 1000};
	left = ares_timeout(resolver->channel, &most, &buf);
	ms = (long long)left->tv_sec * 1000 + (left->tv_usec + 999) / 1000;
	return ms < most_ms ? (int)ms : most_ms;
}

void
resolver_step(struct resolver *r)
{
	dns_sockets_flush(r->sockets);
	dns_sockets_process(r->sockets);
	ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* times that are over */
	dns_sockets_flush(r->sockets);
}

/* ---- making one ---- */

/* c-ares takes brackets for IPv6 alone. */
static size_t
add_server(char *out, struct slice server)
{
	size_t end = slice_find_byte(server, ']', 0);
	struct slice address = slice_sub(server, 1, end - 1), rest;

	if (server.len == 0 || server.data[0] != '[' || end == SLICE_NPOS ||
	    slice_find_byte(address, ':', 0) != SLICE_NPOS) {
		memcpy(out, server.data, server.len);
		return server.len;
	}
	rest = slice_from(server, end + 1);
	memcpy(out, address.data, address.len);
	memcpy(out + address.len, rest.data, rest.len);
	return address.len + rest.len;
}

static enum status
set_servers(struct resolver *r, struct error *error)
{
	const struct resolver_options *o = &r->options;
	size_t size = 1, used = 0;
	char *list;
	int rc;

	if (o->server_count == 0)
		return STATUS_OK;
	for (size_t i = 0; i < o->server_count; i++)
		size += o->servers[i].len + 1;
	list = malloc(size);
	if (list == NULL)
		return error_set(error, STATUS_LIMIT, "no memory for the list of servers");
	for (size_t i = 0; i < o->server_count; i++) {
		if (i > 0)
			list[used++] = ',';
		used += add_server(list + used, o->servers[i]);
	}
	list[used] = '\0';
	rc = ares_set_servers_ports_csv(r->channel, list);
	if (rc != ARES_SUCCESS)
		(void)error_set(error, STATUS_BAD, "dns_server %.300s: %s", list,
		                ares_strerror(rc));
	free(list);
	return rc == ARES_SUCCESS ? STATUS_OK : STATUS_BAD;
}

/* STATUS_BAD: none is left. */
static enum status
keep_family(struct resolver *r, struct error *error)
{
	struct ares_addr_port_node *servers = NULL, kept[SERVERS_MAX];
	int family = r->options.family, rc = ARES_SUCCESS;
	size_t count = 0;

	if (family == AF_UNSPEC || ares_get_servers_ports(r->channel, &servers) != ARES_SUCCESS)
		return STATUS_OK;
	for (const struct ares_addr_port_node *s = servers; s != NULL; s = s->next) {
		if (s->family != family || count == SERVERS_MAX)
			continue;
		kept[count] = *s;
		kept[count].next = NULL;
		if (count > 0)
			kept[count - 1].next = &kept[count];
		count++;
	}
	ares_free_data(servers);
	if (count == 0)
		return error_set(error, STATUS_BAD, "no name server has an %s address",
		                 family == AF_INET ? "IPv4" : "IPv6");
	rc = ares_set_servers_ports(r->channel, kept);
	return rc == ARES_SUCCESS ? STATUS_OK
	                          : error_set(error, STATUS_IO, "%s", ares_strerror(rc));
}

static enum status
open_channel(struct resolver *r, struct error *error)
{
	struct ares_options options = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_NOCHECKRESP |
	                 (r->options.edns_bytes > 512 ? ARES_FLAG_EDNS : 0),
		.timeout = TRY_MS,
		.tries = TRIES,
		.ednspsz = (int)r->options.edns_bytes,
		.sock_state_cb = dns_sockets_state,
		.sock_state_cb_data = r->sockets,
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
	int rc;

	mask |= r->options.rotates ? ARES_OPT_ROTATE : ARES_OPT_NOROTATE;
	if (r->options.edns_bytes > 512)
		mask |= ARES_OPT_EDNSPSZ;
#ifdef ARES_OPT_QUERY_CACHE
	mask |= ARES_OPT_QUERY_CACHE; /* of 0 seconds: none */
#endif
	rc = ares_init_options(&r->channel, &options, mask);
	if (rc != ARES_SUCCESS) {
		r->channel = NULL;
		return error_set(error, STATUS_IO, "%s", ares_strerror(rc));
	}
	dns_sockets_serve(r->sockets, r->channel);
	if (set_servers(r, error) != STATUS_OK)
		return STATUS_BAD;
	return keep_family(r, error);
}

struct resolver *
resolver_create(const struct resolver_options *options, struct error *error)
{
	struct resolver *r = calloc(1, sizeof(*r));
	struct dns_sockets_options sockets;

	if (r == NULL) {
		(void)error_set(error, STATUS_LIMIT, "no memory for the resolver");
		return NULL;
	}
	r->options = *options;
	if (r->options.edns_bytes > UDP_BYTES_MAX)
		r->options.edns_bytes = UDP_BYTES_MAX;
	if (options->cache != NULL && (r->scratch = arena_create(SCRATCH_BYTES)) == NULL)
		r->options.cache = NULL;
	sockets = (struct dns_sockets_options){options->ports, &r->random, options->log};
	r->sockets = dns_sockets_create(&sockets, error);
	if (r->sockets == NULL || open_channel(r, error) != STATUS_OK)
		resolver_destroy(&r);
	return r;
}

void
resolver_destroy(struct resolver **resolver)
{
	struct resolver *r = *resolver;

	*resolver = NULL;
	if (r == NULL)
		return;
	if (r->channel != NULL)
		ares_destroy(r->channel); /* ends all questions */
	dns_sockets_destroy(&r->sockets);
	arena_destroy(&r->scratch);
	free(r);
}

size_t
resolver_server_count(const struct resolver *resolver)
{
	struct ares_addr_port_node *servers = NULL;
	size_t count = 0;

	if (ares_get_servers_ports(resolver->channel, &servers) != ARES_SUCCESS)
		return 0;
	for (const struct ares_addr_port_node *s = servers; s != NULL; s = s->next)
		count++;
	if (servers != NULL)
		ares_free_data(servers);
	return count;
}

struct slice
resolver_servers(const struct resolver *resolver, struct arena *arena)
{
	struct ares_addr_port_node *servers = NULL;
	struct slice text = SLICE("");

	if (ares_get_servers_ports(resolver->channel, &servers) != ARES_SUCCESS)
		return text;
	for (const struct ares_addr_port_node *s = servers; s != NULL; s = s->next) {
		char address[INET6_ADDRSTRLEN] = "?";

		(void)ares_inet_ntop(s->family, &s->addr, address, sizeof(address));
		text = arena_printf(arena, "%.*s%s[%s]:%d", SLICE_FMT(text),
		                    s == servers ? "" : ", ", address,
		                    s->udp_port != 0 ? s->udp_port : 53);
	}
	if (servers != NULL)
		ares_free_data(servers);
	return text;
}

const struct resolver_counts *
resolver_counts(const struct resolver *resolver)
{
	return &resolver->counts;
}
