/*
 * answer.c - what a name server said
 */
#include "dns/answer.h"

#include <stdio.h>

static const struct {
	const char *name;
	unsigned type;
} types[] = {
	{"A", DNS_A},     {"AAAA", DNS_AAAA}, {"ANY", DNS_ANY}, {"CNAME", DNS_CNAME},
	{"MX", DNS_MX},   {"NS", DNS_NS},     {"PTR", DNS_PTR}, {"SOA", DNS_SOA},
	{"SPF", DNS_SPF}, {"TLSA", DNS_TLSA}, {"TXT", DNS_TXT},
};

unsigned
dns_type_parse(struct slice text)
{
	unsigned number = 0;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (slice_eq(text, slice_from_cstr(types[i].name)))
			return types[i].type;
	if (text.len < 5 || text.len > 9 || !slice_eq(slice_sub(text, 0, 4), SLICE("TYPE")))
		return 0;
	for (size_t i = 4; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return 0;
		number = number * 10 + (text.data[i] - '0');
	}
	return number <= 65535 ? number : 0;
}

struct slice
dns_type_name(struct arena *arena, unsigned type)
{
	char text[sizeof("TYPE65535")];

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].type == type)
			return slice_from_cstr(types[i].name);
	snprintf(text, sizeof(text), "TYPE%u", type & 0xffffU);
	return arena_dup(arena, slice_from_cstr(text));
}

const char *
dns_rcode_name(unsigned rcode)
{
	static const char *const names[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN",
	                                    "NOTIMP",  "REFUSED", "YXDOMAIN", "YXRRSET",
	                                    "NXRRSET", "NOTAUTH", "NOTZONE"};

	return rcode < sizeof(names) / sizeof(names[0]) ? names[rcode] : "UNKNOWN";
}
