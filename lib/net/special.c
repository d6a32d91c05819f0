/*
 * special.c - addresses that only mean something here
 */
#include "net/special.h"

#include <string.h>

struct range {
	struct net_addr net;
	unsigned bits;
};

/* clang-format off */
#define V4(a, b, c) {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, 0}}
static const struct range special_v4[] = {
	{ V4(0, 0, 0),      96 + 8 },
	{ V4(10, 0, 0),     96 + 8 },
	{ V4(100, 64, 0),   96 + 10 },
	{ V4(127, 0, 0),    96 + 8 },
	{ V4(169, 254, 0),  96 + 16 },
	{ V4(172, 16, 0),   96 + 12 },
	{ V4(192, 0, 0),    96 + 24 },
	{ V4(192, 0, 2),    96 + 24 },
	{ V4(192, 88, 99),  96 + 24 },
	{ V4(192, 168, 0),  96 + 16 },
	{ V4(198, 18, 0),   96 + 15 },
	{ V4(198, 51, 100), 96 + 24 },
	{ V4(203, 0, 113),  96 + 24 },
	{ V4(224, 0, 0),    96 + 3 },
};
static const struct range nat64 = { {{0, 0x64, 0xff, 0x9b}}, 96 };
static const struct range six_to_four = { {{0x20, 0x02}}, 16 };
static const struct range global_v6 = { {{0x20}}, 3 };
static const struct range special_v6[] = {
	{ {{0x20, 0x01, 0x00}}, 23 },             /* protocols: Teredo, ORCHID ... */
	{ {{0x20, 0x01, 0x0d, 0xb8}}, 32 },       /* documents */
	{ {{0x3f, 0xff}}, 20 },
};
/* clang-format on */

static bool
is_in(const struct net_addr *addr, const struct range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (net_addr_has_prefix(addr, &ranges[i].net, ranges[i].bits))
			return true;
	return false;
}

static bool
carries_global(const struct net_addr *addr, size_t at)
{
	struct net_addr inner = V4(0, 0, 0);

	memcpy(inner.bytes + 12, addr->bytes + at, 4);
	return net_addr_is_global(&inner);
}

bool
net_addr_is_global(const struct net_addr *addr)
{
	if (net_addr_is_v4(addr))
		return !is_in(addr, special_v4, sizeof(special_v4) / sizeof(special_v4[0]));
	if (is_in(addr, &nat64, 1))
		return carries_global(addr, 12);
	if (is_in(addr, &six_to_four, 1))
		return carries_global(addr, 2);
	return is_in(addr, &global_v6, 1) &&
	       !is_in(addr, special_v6, sizeof(special_v6) / sizeof(special_v6[0]));
}
