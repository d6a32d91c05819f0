/*
 * network.c - the resolver that configuration asks for
 */
#include "check/steps.h"

#include "dns/resolver.h"

static const unsigned char *
local_ports(const struct filter *filter, const struct core_settings *core)
{
	unsigned char *bits;

	if (core->dns_local_ports.count == 0)
		return NULL;
	bits = arena_new_array(filter->arena, unsigned char, 65536 / 8);
	if (bits != NULL && core_local_ports(core, bits) == 0)
		return NULL; /* none: the host chooses */
	return bits;
}

static struct resolver *
make_resolver(const struct filter *filter, const struct slice *server, bool no_checking)
{
	const struct core_settings *core = conf_core(filter->conf);
	struct slice edns = conf_table_get(&core->dns_options, SLICE("edns"));
	struct resolver_options options = {
		.servers = core->dns_servers.items,
		.server_count = core->dns_servers.count,
		.family = filter->options.dns_family,
		.rotates =
			slice_eq(conf_table_get(&core->dns_options, SLICE("rotate")), SLICE("1")),
		.mixes_case =
			slice_eq(conf_table_get(&core->dns_options, SLICE("dns0x20")), SLICE("1")),
		.ports = local_ports(filter, core),
		.log = filter->log,
	};
	unsigned long long bytes = 4096;
	struct resolver *resolver;
	struct error error;

	if (filter->env.local_tests_only)
		return NULL;
	if (server != NULL) {
		options.servers = server;
		options.server_count = 1;
	}
	if (server == NULL)
		options.cache = filter->dns_cache;
	options.no_checking = no_checking;
	if (edns.data != NULL && !slice_to_u64(edns, 65535, &bytes))
		bytes = 0;
	options.edns_bytes = (unsigned)bytes;
	resolver = resolver_create(&options, &error);
	if (resolver == NULL)
		log_warn(filter->log, "dns", "resolver create failed: %s", error.text);
	return resolver;
}

struct resolver *
check_resolver(const struct filter *filter)
{
	return make_resolver(filter, NULL, false);
}

struct resolver *
check_resolver_of(const struct filter *filter, struct slice server, bool no_checking)
{
	return make_resolver(filter, &server, no_checking);
}
