/*
 * relaycountry.c - Mail::SpamAssassin::Plugin::RelayCountry: countries of relays
 *
 * Four lists, newest relay first, each a pseudo header and a tag.  Without a database there are
 * none of them.
 */
#include "net/geodb.h"
#include "plugins/args.h"
#include "util/strbuf.h"

struct relaycountry_settings {
	struct geodb *db; /* NULL: none */
};

static void
open_database(struct conf_reader *reader, void *data)
{
	struct relaycountry_settings *settings = data;
	const struct core_settings *core = conf_core(reader->conf);
	struct geodb_options options = {
		.wants = GEODB_PLACES,
		.city = conf_table_get(&core->geodb_options, SLICE("city")),
		.country = conf_table_get(&core->geodb_options, SLICE("country")),
		.directories = core->geodb_search_path.items,
		.directory_count = core->geodb_search_path.count,
	};
	bool asked_for = slice_eq(core->geodb_module, SLICE("geoip2"));

	if (core->geodb_module.len > 0 && !asked_for) {
		log_warn(reader->log, "geodb",
		         "geodb_module %.*s is not there: Winnow reads GeoIP2 databases (.mmdb) "
		         "only",
		         SLICE_FMT(core->geodb_module));
		return;
	}
	settings->db = geodb_open(reader->arena, &options, reader->log);
	if (settings->db == NULL && asked_for)
		log_warn(reader->log, "geodb",
		         "GeoIP2 requested, but no databases could be loaded");
}

/* ---- a message ---- */

static void
add_countries(struct scan *scan, const struct geodb *db, slice_vec *list, const relay_vec *relays,
              bool after_auth)
{
	bool found = !after_auth;

	for (size_t i = 0; i < relays->count; i++) {
		const struct relay *relay = relays->items[i];

		found = found || !perl_is_false(relay->auth);
		if (found)
			(void)vec_push(scan->arena, list,
			               geodb_country(db, scan->arena, relay->ip));
	}
}

static void
publish(struct scan *scan, struct slice header, struct slice tag, const slice_vec *list)
{
	struct strbuf joined;

	strbuf_init(&joined, scan->arena, 0);
	for (size_t i = 0; i < list->count; i++) {
		if (i > 0)
			strbuf_add_byte(&joined, ' ');
		strbuf_add(&joined, list->items[i]);
	}
	scan_set_metadata(scan, header, joined.len == 0 ? SLICE("") : strbuf_slice(&joined));
	log_debug(scan->log, "metadata", "%.*s: %.*s", SLICE_FMT(header),
	          SLICE_FMT(strbuf_slice(&joined)));
	scan_set_tag_values(scan, tag, list);
}

static void
find_countries(struct scan *scan)
{
	const struct relaycountry_settings *settings =
		plugin_settings(scan->conf, &plugin_relaycountry);
	const struct relay_list *relays = &scan->relays;
	const struct geodb *db = settings->db;
	slice_vec untrusted = {0}, external = {0}, auth = {0}, all = {0};

	if (db == NULL) {
		log_debug(scan->log, "metadata",
		          "RelayCountry: plugin disabled, GeoDB country not available");
		return;
	}
	add_countries(scan, db, &untrusted, &relays->untrusted, false);
	add_countries(scan, db, &external, &relays->external, false);
	add_countries(scan, db, &auth, &relays->trusted, true);
	add_countries(scan, db, &all, &relays->internal, false);
	add_countries(scan, db, &all, &relays->external, false);
	publish(scan, SLICE("X-Relay-Countries"), SLICE("RELAYCOUNTRY"), &untrusted);
	publish(scan, SLICE("X-Relay-Countries-External"), SLICE("RELAYCOUNTRYEXT"), &external);
	publish(scan, SLICE("X-Relay-Countries-Auth"), SLICE("RELAYCOUNTRYAUTH"), &auth);
	publish(scan, SLICE("X-Relay-Countries-All"), SLICE("RELAYCOUNTRYALL"), &all);
}

const struct plugin plugin_relaycountry = {
	.id = PLUGIN_ID_relaycountry,
	.class_name = "Mail::SpamAssassin::Plugin::RelayCountry",
	.module =
		{
			.name = "relaycountry",
			.settings_size = sizeof(struct relaycountry_settings),
		},
	.finish_end = open_database,
	.parsed = find_countries,
};
