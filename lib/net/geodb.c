/*
 * geodb.c - countries, providers and networks of addresses
 */
#include "net/geodb.h"

#include <maxminddb.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include "net/addr.h"

struct database {
	MMDB_s file;
	bool is_open;
};

struct geodb {
	struct database places, isps, networks;
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

static const struct kind isp_kind = {"isp", {"GeoIP2-ISP.mmdb", "GeoLite2-ISP.mmdb", NULL, NULL}};
static const struct kind asn_kind = {"asn", {"GeoIP2-ASN.mmdb", "GeoLite2-ASN.mmdb", NULL, NULL}};

static bool
is_file(const char *path)
{
	struct stat st;

	return path != NULL && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static const char *
search_directory(struct arena *arena, const struct kind *kind, struct slice directory)
{
	for (size_t i = 0;
	     i < sizeof(kind->files) / sizeof(kind->files[0]) && kind->files[i] != NULL; i++) {
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
open_kind(struct database *db, struct arena *arena, const struct kind *kind, struct slice named,
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
	db->is_open = true;
	log_debug(log, "geodb", "GeoIP2: loaded %s from %s", kind->name, path);
	return true;
}

static void
close_database(struct database *db)
{
	if (db->is_open)
		MMDB_close(&db->file);
	db->is_open = false;
}

static void
close_files(void *data)
{
	struct geodb *db = data;

	close_database(&db->places);
	close_database(&db->isps);
	close_database(&db->networks);
}

struct geodb *
geodb_open(struct arena *arena, const struct geodb_options *options, const struct log *log)
{
	struct geodb *db = arena_new(arena, struct geodb);

	if (db == NULL)
		return NULL;
	if ((options->wants & GEODB_PLACES) &&
	    !open_kind(&db->places, arena, &city_kind, options->city, options, log))
		(void)open_kind(&db->places, arena, &country_kind, options->country, options, log);
	if (options->wants & (GEODB_ISPS | GEODB_NETWORKS))
		(void)open_kind(&db->isps, arena, &isp_kind, options->isp, options, log);
	if ((options->wants & GEODB_NETWORKS) && !db->isps.is_open)
		(void)open_kind(&db->networks, arena, &asn_kind, options->asn, options, log);
	if (!db->places.is_open && !db->isps.is_open && !db->networks.is_open)
		return NULL;
	if (!arena_on_reset(arena, close_files, db)) {
		close_files(db);
		return NULL;
	}
	return db;
}

bool
geodb_has(const struct geodb *db, enum geodb_want what)
{
	switch (what) {
	case GEODB_PLACES:
		return db->places.is_open;
	case GEODB_ISPS:
		return db->isps.is_open;
	case GEODB_NETWORKS:
		return db->isps.is_open || db->networks.is_open;
	}
	return false;
}

static bool
look_up(const struct database *db, struct slice ip, MMDB_entry_s *entry_r)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct net_addr addr;
	MMDB_lookup_result_s found;
	int error = MMDB_SUCCESS;

	if (!db->is_open || !net_addr_parse(ip, &addr))
		return false;
	if (net_addr_is_v4(&addr)) {
		memcpy(&v4.sin_addr, addr.bytes + 12, 4);
		found = MMDB_lookup_sockaddr(&db->file, (const struct sockaddr *)&v4, &error);
	} else {
		memcpy(&v6.sin6_addr, addr.bytes, 16);
		found = MMDB_lookup_sockaddr(&db->file, (const struct sockaddr *)&v6, &error);
	}
	*entry_r = found.entry;
	return error == MMDB_SUCCESS && found.found_entry;
}

/* data NULL: there is none, or nothing that could be true. */
static struct slice
text_at(MMDB_entry_s *entry, struct arena *arena, const char *const *where, size_t max)
{
	MMDB_entry_data_s value;

	if (MMDB_aget_value(entry, &value, where) != MMDB_SUCCESS || !value.has_data ||
	    value.type != MMDB_DATA_TYPE_UTF8_STRING || value.data_size == 0 ||
	    value.data_size > max)
		return SLICE_NULL;
	return arena_dup(arena, slice_of(value.utf8_string, value.data_size));
}

struct slice
geodb_country(const struct geodb *db, struct arena *arena, struct slice ip)
{
	static const char *const where[] = {"country", "iso_code", NULL};
	struct slice code = SLICE_NULL;
	MMDB_entry_s entry;

	if (slice_trim(ip).len == 0)
		return SLICE("");
	if (net_addr_is_private(ip))
		return SLICE("**");
	if (look_up(&db->places, ip, &entry))
		code = text_at(&entry, arena, where, GEODB_COUNTRY_MAX);
	return code.data == NULL ? SLICE("XX") : code;
}

struct slice
geodb_continent(const struct geodb *db, struct arena *arena, struct slice ip)
{
	static const char *const where[] = {"continent", "code", NULL};
	struct slice code = SLICE_NULL;
	MMDB_entry_s entry;

	if (slice_trim(ip).len == 0)
		return SLICE("");
	if (look_up(&db->places, ip, &entry))
		code = text_at(&entry, arena, where, GEODB_COUNTRY_MAX);
	return code.data == NULL ? SLICE("XX") : code;
}

struct slice
geodb_isp(const struct geodb *db, struct arena *arena, struct slice ip)
{
	static const char *const where[] = {"isp", NULL};
	MMDB_entry_s entry;

	return look_up(&db->isps, ip, &entry) ? text_at(&entry, arena, where, GEODB_NAME_MAX)
	                                      : SLICE_NULL;
}

bool
geodb_asn(const struct geodb *db, struct arena *arena, struct slice ip, struct slice *number_r,
          struct slice *owner_r)
{
	static const char *const number[] = {"autonomous_system_number", NULL};
	static const char *const owner[] = {"autonomous_system_organization", NULL};
	const struct database *file = db->isps.is_open ? &db->isps : &db->networks;
	MMDB_entry_data_s value;
	MMDB_entry_s entry;

	if (!look_up(file, ip, &entry) || MMDB_aget_value(&entry, &value, number) != MMDB_SUCCESS ||
	    !value.has_data ||
	    (value.type != MMDB_DATA_TYPE_UINT32 && value.type != MMDB_DATA_TYPE_UINT16))
		return false;
	*number_r = arena_printf(arena, "%u",
	                         value.type == MMDB_DATA_TYPE_UINT32 ? value.uint32
	                                                             : (unsigned)value.uint16);
	*owner_r = text_at(&entry, arena, owner, GEODB_NAME_MAX);
	return true;
}
