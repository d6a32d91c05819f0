/*
 * sender_list.c - addresses entered into the lists of AWL and TxRep by command
 */
#include "cmd/sender_list.h"

#include "plugins/awl.h"
#include "plugins/txrep.h"

enum { ADDRESSES_MAX = 10000 };

void
sender_list_address(struct check *check, enum sender_operation operation, struct slice address)
{
	const struct plugin_set *set = check->scan.plugins;

	for (size_t i = 0; i < set->count; i++) {
		if (set->order[i] == PLUGIN_ID_awl)
			awl_operate(&check->scan, operation, address, stdout);
		if (set->order[i] == PLUGIN_ID_txrep)
			txrep_operate(&check->scan, operation, address, stdout);
	}
}

/* ---- addresses of a message ---- */

struct addresses {
	struct check *check;
	struct hashmap seen; /* in order */
};

static struct slice
without_mailto(struct slice address)
{
	struct slice prefix = SLICE("mailto:");

	return slice_starts(address, prefix) ? slice_from(address, prefix.len) : address;
}

static void
add(struct addresses *a, struct slice address)
{
	address = without_mailto(address);
	if (a->seen.count < ADDRESSES_MAX)
		(void)hashmap_put(&a->seen, address, NULL);
}

static void
add_header(struct addresses *a, struct slice name)
{
	slice_vec values = scan_header_values(
		&a->check->scan, arena_printf(a->check->scan.arena, "%.*s:addr", SLICE_FMT(name)));

	for (size_t i = 0; i < values.count; i++)
		add(a, values.items[i]);
}

static bool
is_host_byte(unsigned char c)
{
	return byte_is_word(c) || (c != '\0' && strchr("-+:/", c) != NULL);
}

static bool
is_user_byte(unsigned char c)
{
	return is_host_byte(c) || (c != '\0' && strchr("=!#$%&*^?{}|~.", c) != NULL);
}

/* Length of the host at the beginning of text: two labels or more; 0: none. */
static size_t
host_len(struct slice text)
{
	size_t len = 0, good = 0;
	unsigned labels = 0;

	while (len < text.len) {
		size_t begin = len;

		while (len < text.len && is_host_byte(text.data[len]))
			len++;
		if (len == begin)
			break;
		labels++;
		good = len;
		if (len == text.len || text.data[len] != '.')
			break;
		len++;
	}
	return labels >= 2 ? good : 0;
}

/* USER@HOST anywhere in a line. */
static void
add_line(struct addresses *a, struct slice line)
{
	struct scan *scan = &a->check->scan;
	size_t at, from = 0, done = 0;

	while ((at = slice_find_byte(line, '@', from)) != SLICE_NPOS) {
		size_t begin = at, len = host_len(slice_from(line, at + 1));
		struct slice host = slice_sub(line, at + 1, len), address;

		from = at + 1;
		while (begin > done && is_user_byte(line.data[begin - 1]))
			begin--;
		if (len == 0 || begin == at)
			continue;
		address = slice_sub(line, begin, at + 1 + len - begin);
		if (slice_istarts(address, SLICE("mailto:")) && at - begin > 7)
			address = slice_from(address, 7);
		from = done = at + 1 + len;
		if (fqdn_is_valid(scan->arena, host, false) &&
		    registry_is_valid(&scan->env->registry, scan->arena, host, false))
			add(a, without_mailto(address));
	}
}

static void
find_addresses(struct addresses *a, bool authors_only)
{
	static const char *const names[] = {
		"To", "From", "Cc", "Reply-To", "Sender", "Errors-To", "Mail-Followup-To"};
	struct slice body = a->check->scan.message->pristine_body, line;

	if (authors_only) {
		add_header(a, SLICE("From"));
		return;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		add_header(a, slice_from_cstr(names[i]));
	while (slice_next_line(&body, &line))
		add_line(a, line);
}

void
sender_list_message(struct check *check, enum sender_operation operation)
{
	struct addresses a = {.check = check};

	check_find_route(&check->scan);
	hashmap_init(&a.seen, check->scan.arena);
	find_addresses(&a, operation == SENDER_BLOCKLIST);
	for (size_t i = 0; i < a.seen.count; i++)
		sender_list_address(check, operation, a.seen.entries[i].key);
}
