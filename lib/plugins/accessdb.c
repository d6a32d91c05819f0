/*
 * accessdb.c - Mail::SpamAssassin::Plugin::AccessDB: sendmail's access map
 *
 * The file is read at each message that asks, so that changes count at once, as in the reference.
 */
#include "plugins/args.h"
#include "store/bdb_hash.h"
#include "util/file.h"

enum { FILE_BYTES_MAX = 64 * 1024 * 1024, LABELS_MAX = 128 };

struct lookup {
	struct scan *scan;
	struct bdb_hash db;
	struct hashmap seen;
	bool bad, done; /* done: a key says OK */
};

static struct slice
value_of(struct lookup *l, struct slice key)
{
	struct slice value = bdb_hash_get(&l->db, key);

	/* sendmail may have written keys with their NUL */
	return perl_is_false(value)
	               ? bdb_hash_get(&l->db, arena_concat(l->scan->arena, key, SLICE("\0")))
	               : value;
}

static bool
is_number(struct slice word)
{
	for (size_t i = 0; i < word.len; i++)
		if (!byte_is_digit(word.data[i]))
			return false;
	return word.len > 0;
}

static void
look(struct lookup *l, struct slice key)
{
	struct slice value, word;
	size_t end = 0;
	bool added;

	if (l->done || hashmap_put(&l->seen, key, &added) == NULL || !added)
		return;
	value = value_of(l, key);
	if (perl_is_false(value))
		return;
	while (end < value.len && byte_is_word(value.data[end]))
		end++;
	word = slice_sub(value, 0, end);
	l->done = slice_ieq(word, SLICE("OK")) || slice_ieq(word, SLICE("SKIP"));
	l->bad |= slice_ieq(word, SLICE("REJECT")) || slice_ieq(word, SLICE("ERROR")) ||
	          slice_ieq(word, SLICE("DISCARD")) || is_number(word);
	if (l->done)
		l->bad = false;
}

static void
look_both(struct lookup *l, struct slice key)
{
	look(l, arena_concat(l->scan->arena, SLICE("From:"), key));
	look(l, key);
}

/* The name and its parents. */
static void
look_domain(struct lookup *l, struct slice name)
{
	for (unsigned n = 0; n < LABELS_MAX; n++) {
		size_t dot = slice_find_byte(name, '.', 0);

		look_both(l, name);
		if (dot == SLICE_NPOS)
			break;
		name = slice_from(name, dot + 1);
	}
}

static void
look_address(struct lookup *l, struct slice addr)
{
	size_t sign = slice_find_byte(addr, '@', 0);
	struct slice user = slice_sub(addr, 0, sign),
		     domain = sign == SLICE_NPOS ? SLICE("") : slice_from(addr, sign + 1);

	look_both(l, addr);
	if (!perl_is_false(user))
		look_both(l, arena_concat(l->scan->arena, user, SLICE("@")));
	if (!perl_is_false(domain))
		look_domain(l, domain);
}

static void
look_relay(struct lookup *l, const struct relay *relay)
{
	unsigned char *ip = arena_bytes(l->scan->arena, relay->ip.len + 1);
	struct slice rest;
	size_t n = 0, dot;

	if (relay->rdns.len > 0)
		look_domain(l, arena_dup_lower(l->scan->arena, relay->rdns));
	for (size_t i = 0; ip != NULL && i < relay->ip.len; i++)
		if (byte_is_digit(relay->ip.data[i]) || relay->ip.data[i] == '.')
			ip[n++] = relay->ip.data[i];
	for (rest = slice_of(ip, n); (dot = slice_rfind_byte(rest, '.')) != SLICE_NPOS;
	     rest.len = dot)
		look_both(l, rest);
	look_both(l, rest);
}

static int
check_access_database(struct scan *scan, const struct eval_call *call)
{
	struct lookup l = {.scan = scan};
	struct slice data;
	struct error error;
	slice_vec from = scan_from_addrs(scan);

	if (file_read(scan->arena, arena_cstr(scan->arena, eval_arg(call, 0)), FILE_BYTES_MAX,
	              &data, &error) != STATUS_OK ||
	    bdb_hash_open(data, &l.db, &error) != STATUS_OK) {
		log_debug(scan->log, "accessdb", "cannot open accessdb %.*s R/O: %s",
		          SLICE_FMT(eval_arg(call, 0)), error.text);
		return 0;
	}
	hashmap_init(&l.seen, scan->arena);
	for (size_t i = 0; i < from.count; i++)
		look_address(&l, from.items[i]);
	if (scan->relays.untrusted.count > 0)
		look_relay(&l, scan->relays.untrusted.items[0]);
	return l.bad;
}

static const struct plugin_eval evals[] = {
	{"check_access_database", EVAL_HEADER, check_access_database, NULL},
	{NULL, 0, NULL, NULL},
};

const struct plugin plugin_accessdb = {
	.id = PLUGIN_ID_accessdb,
	.class_name = "Mail::SpamAssassin::Plugin::AccessDB",
	.module = {.name = "accessdb"},
	.evals = evals,
};
