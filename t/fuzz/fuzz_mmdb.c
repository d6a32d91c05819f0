/*
 * fuzz_mmdb.c - files that say they are GeoIP2 databases
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "net/geodb.h"
#include "t/fuzz/fuzz.h"

static const char *const addresses[] = {
	"192.0.2.1", "8.8.8.8",      "255.255.255.255", "2001:db8::1",      "2a00:1450::1",
	"::1",       "64:ff9b::808", "10.0.0.1",        "2002:c000:204::1", "",
};

static void
look_up(const struct geodb *db, struct arena *arena)
{
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		struct slice ip = slice_from_cstr(addresses[i]), number = SLICE(""),
			     owner = SLICE("");

		assert(geodb_country(db, arena, ip).len <= GEODB_COUNTRY_MAX);
		assert(geodb_continent(db, arena, ip).len <= GEODB_COUNTRY_MAX);
		assert(geodb_isp(db, arena, ip).len <= GEODB_NAME_MAX);
		if (geodb_asn(db, arena, ip, &number, &owner))
			assert(number.len <= 20 && owner.len <= GEODB_NAME_MAX);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_create((size_t)16 << 20);
	const struct log log = {.areas = NULL};
	char path[64];
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct geodb *db;

	if (arena == NULL || fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	{
		const struct geodb_options options = {
			.wants = GEODB_PLACES | GEODB_ISPS | GEODB_NETWORKS,
			.city = slice_from_cstr(path),
			.isp = slice_from_cstr(path),
			.asn = slice_from_cstr(path),
		};

		db = geodb_open(arena, &options, &log);
	}
	if (db != NULL)
		look_up(db, arena);
	arena_destroy(&arena);
	close(fd);
	return 0;
}
