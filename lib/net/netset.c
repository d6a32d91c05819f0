/*
 * netset.c - sets of networks
 *
 * A network inside one declared before changes nothing and is not kept; so of two that overlap the
 * later is the larger, and "the first declared decides" is "the longest prefix decides": one hash
 * look-up for each prefix length in use.
 */
#include "net/netset.h"

#include <stdio.h>

#define KEY_LEN 17

void
netset_init(struct netset *set, struct arena *arena)
{
	*set = (struct netset){.arena = arena};
	hashmap_init(&set->by_prefix, arena);
}

static const struct netset_net *
find(const struct netset *set, const struct net_addr *addr, unsigned max_bits)
{
	unsigned char key[KEY_LEN];
	struct net_addr masked;

	for (size_t i = 0; i < set->length_count; i++) {
		const struct netset_net *net;
		unsigned bits = set->lengths[i];

		if (bits > max_bits)
			continue;
		masked = *addr;
		net_addr_mask(&masked, bits);
		memcpy(key, masked.bytes, 16);
		key[16] = (unsigned char)bits;
		net = hashmap_get(&set->by_prefix, slice_of(key, KEY_LEN));
		if (net != NULL)
			return net;
	}
	return NULL;
}

static void
note_length(struct netset *set, unsigned bits)
{
	size_t i = 0;

	while (i < set->length_count && set->lengths[i] > bits)
		i++;
	if (i < set->length_count && set->lengths[i] == bits)
		return;
	memmove(set->lengths + i + 1, set->lengths + i, set->length_count - i);
	set->lengths[i] = (unsigned char)bits;
	set->length_count++;
}

static enum status
add_net(struct netset *set, struct net_addr addr, unsigned bits, bool exclude)
{
	struct netset_net *net = arena_new(set->arena, struct netset_net);
	unsigned char *key = arena_bytes(set->arena, KEY_LEN);

	net_addr_mask(&addr, bits);
	if (find(set, &addr, bits) != NULL)
		return STATUS_NONE;
	if (net == NULL || key == NULL)
		return STATUS_LIMIT;
	*net = (struct netset_net){addr, bits, exclude};
	memcpy(key, addr.bytes, 16);
	key[16] = (unsigned char)bits;
	if (!hashmap_set(&set->by_prefix, slice_of(key, KEY_LEN), net) ||
	    vec_push(set->arena, &set->nets, *net) == NULL)
		return STATUS_LIMIT;
	note_length(set, bits);
	return STATUS_OK;
}

/* One to four decimal numbers; missing ones are 0, *bits_r is what they cover. */
static bool
parse_short_v4(struct slice s, struct net_addr *addr_r, unsigned *bits_r)
{
	char full[64];
	unsigned v[4] = {0, 0, 0, 0}, count = 0;

	if (s.len > 0 && s.data[s.len - 1] == '.' && slice_find(s, SLICE(".."), 0) == SLICE_NPOS)
		s.len--;
	while (count < 4) {
		size_t dot = slice_find_byte(s, '.', 0);
		unsigned long long value;

		if (!slice_to_u64(slice_sub(s, 0, dot), 255, &value))
			return false;
		v[count++] = (unsigned)value;
		if (dot == SLICE_NPOS) {
			s.len = 0;
			break;
		}
		s = slice_from(s, dot + 1);
		if (s.len == 0 || count == 4)
			return false;
	}
	*bits_r = count * 8;
	(void)snprintf(full, sizeof(full), "%u.%u.%u.%u", v[0], v[1], v[2], v[3]);
	return net_addr_parse_v4(slice_from_cstr(full), addr_r);
}

/* "24" or, for IPv4, "255.255.255.0". */
static bool
parse_mask(struct slice s, bool is_v4, unsigned *bits_r)
{
	unsigned long long value;
	struct net_addr mask;
	unsigned bits = 0;

	if (slice_to_u64(s, is_v4 ? 32 : 128, &value)) {
		*bits_r = (unsigned)value;
		return true;
	}
	if (!is_v4 || !net_addr_parse_v4(s, &mask))
		return false;
	while (bits < 32 && (mask.bytes[12 + bits / 8] >> (7 - bits % 8) & 1) != 0)
		bits++;
	*bits_r = bits;
	for (; bits < 32; bits++)
		if ((mask.bytes[12 + bits / 8] >> (7 - bits % 8) & 1) != 0)
			return false;
	return true;
}

static bool
increment(struct net_addr *addr)
{
	for (int i = 15; i >= 0; i--)
		if (++addr->bytes[i] != 0)
			return true;
	return false;
}

/* The largest blocks that tile first..last. */
static enum status
add_range(struct netset *set, struct net_addr first, struct net_addr last, bool exclude)
{
	enum status status = STATUS_NONE;

	while (memcmp(first.bytes, last.bytes, 16) <= 0) {
		unsigned bits = 128;
		struct net_addr top = first;

		while (bits > 0) {
			struct net_addr low = first, high = first;

			net_addr_mask(&low, bits - 1);
			for (unsigned b = bits - 1; b < 128; b++)
				high.bytes[b / 8] |= (unsigned char)(0x80 >> b % 8);
			if (!net_addr_eq(&low, &first) || memcmp(high.bytes, last.bytes, 16) > 0)
				break;
			bits--;
			top = high;
		}
		enum status one = add_net(set, first, bits, exclude);
		if (one == STATUS_LIMIT)
			return one;
		if (one == STATUS_OK)
			status = STATUS_OK;
		first = top;
		if (!increment(&first))
			break;
	}
	return status;
}

static enum status
add_one(struct netset *set, struct slice s, bool exclude)
{
	size_t slash = slice_find_byte(s, '/', 0), scope;
	struct slice mask = slash == SLICE_NPOS ? SLICE_NULL : slice_from(s, slash + 1);
	struct net_addr addr;
	unsigned bits, base = 0;

	s = slice_sub(s, 0, slash);
	if (s.len >= 2 && s.data[0] == '[' && s.data[s.len - 1] == ']')
		s = slice_sub(s, 1, s.len - 2);
	scope = slice_find_byte(s, '%', 0);
	s = slice_sub(s, 0, scope);
	if (parse_short_v4(s, &addr, &bits)) {
		base = 96;
	} else if (net_addr_parse_v6(s, &addr)) {
		bits = 128;
	} else {
		return STATUS_BAD;
	}
	if (mask.data != NULL && !parse_mask(mask, base != 0, &bits))
		return STATUS_BAD;
	return add_net(set, addr, base + bits, exclude);
}

enum status
netset_add(struct netset *set, struct slice text, struct error *error)
{
	struct slice s = slice_trim(text);
	bool exclude = s.len > 0 && s.data[0] == '!';
	size_t dash;
	enum status status;

	if (exclude)
		s = slice_ltrim(slice_from(s, 1));
	dash = slice_find_byte(s, '-', 0);
	if (dash != SLICE_NPOS && !slice_has_byte(slice_sub(s, 0, dash), '%')) {
		struct net_addr first, last;

		if (net_addr_parse(slice_trim(slice_sub(s, 0, dash)), &first) &&
		    net_addr_parse(slice_trim(slice_from(s, dash + 1)), &last) &&
		    memcmp(first.bytes, last.bytes, 16) <= 0)
			return add_range(set, first, last, exclude);
		return error_set(error, STATUS_BAD, "'%.*s' is no range of addresses",
		                 SLICE_FMT(text));
	}
	status = add_one(set, s, exclude);
	if (status == STATUS_BAD)
		return error_set(error, STATUS_BAD,
		                 "'%.*s' is no network: write it like 10.0.0.0/8 or 2001:db8::/32",
		                 SLICE_FMT(text));
	return status;
}

bool
netset_has(const struct netset *set, const struct net_addr *addr)
{
	const struct netset_net *net = set == NULL ? NULL : find(set, addr, 128);

	return net != NULL && !net->exclude;
}

bool
netset_has_text(const struct netset *set, struct slice text)
{
	struct net_addr addr;

	return net_addr_parse(text, &addr) && netset_has(set, &addr);
}
