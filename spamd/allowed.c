/*
 * allowed.c - who may connect
 */
#include "spamd/allowed.h"

static bool
is_v6(struct slice text)
{
	return slice_find_byte(text, ':', 0) != SLICE_NPOS &&
	       !slice_istarts(text, SLICE("::ffff:")) &&
	       !slice_istarts(text, SLICE("0:0:0:0:0:ffff:"));
}

enum status
allowed_init(struct allowed *allowed, struct arena *arena, const slice_vec *networks,
             struct error *error)
{
	netset_init(&allowed->v4, arena);
	netset_init(&allowed->v6, arena);
	if (networks->count == 0 &&
	    (netset_add(&allowed->v4, SLICE("127.0.0.1"), error) == STATUS_BAD ||
	     netset_add(&allowed->v6, SLICE("::1"), error) == STATUS_BAD))
		return STATUS_BAD;
	for (size_t i = 0; i < networks->count; i++) {
		struct slice text = networks->items[i], bare = text;

		while (bare.len > 0 && (bare.data[0] == '!' || bare.data[0] == '['))
			bare = slice_from(bare, 1);
		if (netset_add(is_v6(bare) ? &allowed->v6 : &allowed->v4, text, error) ==
		    STATUS_BAD)
			return STATUS_BAD;
	}
	return STATUS_OK;
}

bool
allowed_has(const struct allowed *allowed, struct slice addr)
{
	addr = slice_sub(addr, 0, slice_find_byte(addr, '%', 0));
	return netset_has_text(is_v6(addr) ? &allowed->v6 : &allowed->v4, addr);
}
