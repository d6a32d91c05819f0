/*
 * zip.h - members of a ZIP archive
 *
 * Owns: struct zip.  Source: PKWARE APPNOTE; what Archive::Zip takes for one.  Untrusted bytes:
 * every offset is checked, members and bytes are counted, nothing recurses.  Reads stored and
 * deflated members; others have no contents.
 */
#ifndef WINNOW_PLUGINS_ZIP_H
#define WINNOW_PLUGINS_ZIP_H

#include <stdint.h>

#include "util/arena.h"
#include "util/slice.h"
#include "util/vec.h"

enum { ZIP_MEMBERS_MAX = 10000, ZIP_UNPACKED_MAX = 16 * 1024 * 1024 };

struct zip_member {
	struct slice name;
	bool encrypted;
	unsigned method;
	uint32_t packed, unpacked, offset;
};

struct zip {
	struct slice data;
	VEC(struct zip_member) members;
};

/* false: not an archive. */
bool zip_open(struct arena *arena, struct slice data, struct zip *zip_r);
/*
 * Contents of a member; false: they cannot be read.  *budget is what may still be unpacked, in
 * bytes; it shrinks.
 */
bool zip_contents(struct arena *arena, const struct zip *zip, const struct zip_member *member,
                  size_t *budget, struct slice *contents_r);

#endif
