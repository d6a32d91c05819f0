/*
 * geodb.c - countries of addresses
 */
#include "net/geodb.h"

#include <maxminddb.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include "net/addr.h"

struct geodb {
	MMDB_s file;
};

static const char *const usual_directories[] = {
	"/usr/local/share/GeoIP",
	"/usr/share/GeoIP",
	"/var/lib/GeoIP",
	"/opt/share/GeoIP",
};

struct kind {
	const char *name;
	const char *files[4]; /* in order of preference */
};

static const struct kind city_kind = {
	"city",
	{"GeoIP2-City.mmdb", "GeoLite2-City.mmdb", "dbip-city.mmdb", "dbip-city-lite.mmdb"}};
static const struct kind country_kind = {"country",
                                         {"GeoIP2-Country.mmdb", "GeoLite2-Country.mmdb",
                                          "dbip-country.mmdb", "dbip-country-lite.mmdb"}};

static bool
is_file(const char *path)
{
	struct stat st;

	return path != NULL && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static const char *
search_directory(struct arena *arena, const struct kind *kind, struct slice directory)
{
	for (size_t i = 0; i < sizeof(kind->files) / sizeof(kind->files[0]); i++) {
		struct slice path =
			arena_printf(arena, "%.*s/%s", SLICE_FMT(directory), kind->files[i]);

		if (path.data != NULL && is_file((const char *)path.data))
			return (const char *)path.data;
	}
	return NULL;
}

static const char *
find_file(struct arena *arena, const struct kind *kind, struct slice named,
          const struct geodb_options *options)
{
	size_t usual = sizeof(usual_directories) / sizeof(usual_directories[0]);
	const char *path = NULL;

	if (named.len > 0) {
		path = arena_cstr(arena, named);
		return is_file(path) ? path : NULL;
	}
	for (size_t i = 0; path == NULL && i < options->directory_count; i++)
		path = search_directory(arena, kind, options->directories[i]);
	for (size_t i = 0; path == NULL && options->directory_count == 0 && i < usual; i++)
		path = search_directory(arena, kind, slice_from_cstr(usual_directories[i]));
	return path;
}

static bool
open_kind(struct geodb *db, struct arena *arena, const struct kind *kind, struct slice named,
          const struct geodb_options *options, const struct log *log)
{
	const char *path = find_file(arena, kind, named, options);
	int rc;

	if (path == NULL) {
		log_debug(log, "geodb", "GeoIP2: %s database not found from %.*s", kind->name,
		          SLICE_FMT(named.len > 0 ? named : SLICE("default locations")));
		return false;
	}
	rc = MMDB_open(path, MMDB_MODE_MMAP, &db->file);
	if (rc != MMDB_SUCCESS) {
		log_debug(log, "geodb", "GeoIP2: %s load failed: %s: %s", kind->name, path,
		          MMDB_strerror(rc));
		return false;
	}
	log_debug(log, "geodb", "GeoIP2: loaded %s from %s", kind->name, path);
	return true;
}

static void
close_file(void *data)
{
	struct geodb *db = data;

	MMDB_close(&db->file);
}

struct geodb *
geodb_open(struct arena *arena, const struct geodb_options *options, const struct log *log)
{
	struct geodb *db = arena_new(arena, struct geodb);

	if (db == NULL)
		return NULL;
	if (!open_kind(db, arena, &city_kind, options->city, options, log) &&
	    !open_kind(db, arena, &country_kind, options->country, options, log))
		return NULL;
	if (!arena_on_reset(arena, close_file, db)) {
		close_file(db);
		return NULL;
	}
	return db;
}

static MMDB_lookup_result_s
look_up(const struct geodb *db, const struct net_addr *addr, int *error_r)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct sockaddr_in v4 = {.sin_family = AF_INET};

	if (net_addr_is_v4(addr)) {
		memcpy(&v4.sin_addr, addr->bytes + 12, 4);
		return MMDB_lookup_sockaddr(&db->file, (const struct sockaddr *)&v4, error_r);
	}
	memcpy(&v6.sin6_addr, addr->bytes, 16);
	return MMDB_lookup_sockaddr(&db->file, (const struct sockaddr *)&v6, error_r);
}

struct slice
geodb_country(const struct geodb *db, struct arena *arena, struct slice ip)
{
	static const char *const where[] = {"country", "iso_code", NULL};
	struct net_addr addr;
	MMDB_lookup_result_s found;
	MMDB_entry_data_s value;
	struct slice copy;
	int error = MMDB_SUCCESS;

	if (slice_trim(ip).len == 0)
		return SLICE("");
	if (net_addr_is_private(ip))
		return SLICE("**");
	if (!net_addr_parse(ip, &addr))
		return SLICE("XX");
	found = look_up(db, &addr, &error);
	if (error != MMDB_SUCCESS || !found.found_entry ||
	    MMDB_aget_value(&found.entry, &value, where) != MMDB_SUCCESS || !value.has_data ||
	    value.type != MMDB_DATA_TYPE_UTF8_STRING || value.data_size == 0 ||
	    value.data_size > GEODB_COUNTRY_MAX)
		return SLICE("XX");
	copy = arena_dup(arena, slice_of(value.utf8_string, value.data_size));
	return copy.data == NULL ? SLICE("XX") : copy;
}
