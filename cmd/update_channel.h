/*
 * update_channel.h - one channel brought up to date
 *
 * Data: DNS (the version, where the list of mirrors is) -> HTTP (mirrors, archive, signature or
 * sum)
 * -> checks -> update_tar.h -> update_rewrite.h -> lint -> update_store.h.  Nothing is written
 * below the update directory before all checks are passed, but a fresh list of mirrors.
 */
#ifndef WINNOW_CMD_UPDATE_CHANNEL_H
#define WINNOW_CMD_UPDATE_CHANNEL_H

#include "cmd/update_gpg.h"
#include "cmd/update_rewrite.h"
#include "cmd/update_store.h"

struct update {
	struct arena *arena;
	const struct log *log;
	struct update_store store;
	struct update_gpg gpg;
	struct update_rewrite rewrite;
	const char *install, *force_mirror, *site_dir;
	bool check_only, use_gpg, refresh_mirrors;
	int family, verbose;

	char temporary[256]; /* directory; "": not made yet */
	bool site_checked;
	/* results */
	bool site_is_bad;
	unsigned failed, updated;
};

/* false: there is no going on, with the other channels neither; the reason has been told. */
bool update_channel(struct update *u, const char *channel);
/* Removes what is temporary. */
void update_clean(struct update *u);

#endif
