/*
 * environment.c - what scans share besides rules: networks, registry, redirectors
 */
#include "check/environment.h"

static void
add_networks(struct conf_reader *reader, struct netset *set, const struct core_networks *nets,
             bool loopback)
{
	struct error error;

	netset_init(set, reader->arena);
	if (loopback) {
		(void)!netset_add(set, SLICE("127.0.0.0/8"), &error);
		(void)!netset_add(set, SLICE("::1"), &error);
	}
	for (size_t i = 0; i < nets->nets.count; i++)
		if (netset_add(set, nets->nets.items[i], &error) == STATUS_BAD)
			log_warn(reader->log, "netset", "%s", error.text);
}

/* Every internal net must lie in the trusted ones, every msa net too: others are said and dropped.
 */
static void
check_inside(struct conf_reader *reader, struct netset *set, bool configured,
             const struct netset *outer, const char *outer_name, const char *name)
{
	struct netset kept;
	struct error error;

	if (!configured || set == outer)
		return;
	netset_init(&kept, reader->arena);
	for (size_t i = 0; i < set->nets.count; i++) {
		const struct netset_net *net = &set->nets.items[i];
		struct slice text = net_addr_format(reader->arena, &net->addr);
		bool v4 = net_addr_is_v4(&net->addr);
		struct slice with_bits =
			arena_printf(reader->arena, "%s%.*s/%u", net->exclude ? "!" : "",
		                     SLICE_FMT(text), v4 ? net->bits - 96 : net->bits);

		if (!net->exclude && !netset_has(outer, &net->addr)) {
			conf_problem(reader, true, "%s doesn't contain %s entry '%.*s'", outer_name,
			             name, SLICE_FMT(with_bits));
			continue;
		}
		(void)!netset_add(&kept, with_bits, &error);
	}
	*set = kept;
}

void
environment_networks(struct scan_env *env, struct conf_reader *reader)
{
	const struct core_settings *core = conf_core(reader->conf);
	const struct netset *outer;
	const char *outer_name;

	add_networks(reader, &env->trusted, &core->trusted_networks, true);
	add_networks(reader, &env->internal, &core->internal_networks, true);
	add_networks(reader, &env->msa, &core->msa_networks, false);
	if (core->trusted_networks.configured) {
		outer = &env->trusted;
		outer_name = "trusted_networks";
	} else if (core->internal_networks.configured) {
		outer = &env->internal;
		outer_name = "internal_networks";
	} else {
		return;
	}
	check_inside(reader, &env->internal, core->internal_networks.configured, outer, outer_name,
	             "internal_networks");
	check_inside(reader, &env->msa, core->msa_networks.configured, outer, outer_name,
	             "msa_networks");
}

void
environment_registry(struct scan_env *env, struct conf_reader *reader)
{
	const struct core_settings *core = conf_core(reader->conf);
	const struct conf_table *tables[] = {&core->util_rb_tld, &core->util_rb_2tld,
	                                     &core->util_rb_3tld};

	registry_init(&env->registry, reader->arena);
	for (int level = 0; level < 3; level++)
		for (size_t i = 0; i < tables[level]->map.count; i++)
			(void)registry_add(&env->registry, level + 1,
			                   tables[level]->map.entries[i].key);
}

struct redirectors {
	const struct regex **patterns;
	struct regex_scratch *scratch;
};

static bool
redirector_match(void *data, size_t index, struct slice uri, struct slice *target_r)
{
	const struct redirectors *r = data;
	struct regex_span span;

	*target_r = SLICE_NULL;
	if (regex_match(r->patterns[index], r->scratch, uri, 0, 0) != REGEX_HIT)
		return false;
	span = regex_group_count(r->patterns[index]) == 0
	               ? (struct regex_span){SLICE_NPOS, SLICE_NPOS}
	               : regex_span(r->scratch, 1);
	if (span.start != SLICE_NPOS)
		*target_r = slice_sub(uri, span.start, span.end - span.start);
	return true;
}

static void
free_scratch(void *data)
{
	struct redirectors *r = data;

	regex_scratch_destroy(&r->scratch);
}

void
environment_redirectors(struct scan_env *env, struct conf_reader *reader)
{
	const struct conf_words *words = &conf_core(reader->conf)->redirector_patterns;
	struct redirectors *r = arena_new(reader->arena, struct redirectors);
	size_t count = 0;

	env->uri_config.registry = &env->registry;
	if (r == NULL || (r->patterns = arena_new_array(reader->arena, const struct regex *,
	                                                words->count + 1)) == NULL)
		return;
	r->scratch = regex_scratch_create();
	if (r->scratch == NULL || !arena_on_reset(reader->arena, free_scratch, r))
		return;
	for (size_t i = 0; i < words->count; i++) {
		struct error error;
		const struct regex *regex =
			regex_create_rule(reader->arena, words->items[i], 0, &error);

		if (regex == NULL)
			conf_problem(reader, true,
			             "config: invalid 'redirector_pattern' value '%.*s': %s",
			             SLICE_FMT(words->items[i]), error.text);
		else
			r->patterns[count++] = regex;
	}
	env->uri_config.redirectors =
		(struct uri_redirectors){.count = count, .match = redirector_match, .context = r};
}
