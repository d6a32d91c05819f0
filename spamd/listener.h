/*
 * listener.h - the sockets that spamd listens on
 *
 * Owns: struct listener_set.  Each --listen gives one socket for each address: Unix path, IPv4,
 * IPv6 (IPV6_V6ONLY always, so that both families bind), "*" all of both.  The parent opens them
 * while it may, workers inherit them.
 */
#ifndef WINNOW_SPAMD_LISTENER_H
#define WINNOW_SPAMD_LISTENER_H

#include <sys/types.h>

#include "spamd/options.h"
#include "util/log.h"

struct listener {
	int fd;
	bool is_unix;
	bool is_tls;
	struct slice name; /* "[127.0.0.1]:783" or the path */
	unsigned port;
	dev_t device; /* of a Unix socket: unlinked at exit only if it is still ours */
	ino_t inode;
};

struct listener_set {
	VEC(struct listener) items;
};

/* inherited: so many sockets, from descriptor 3 on, were opened by who started us (systemd). */
enum status listener_open_all(struct arena *arena, const struct spamd_options *options,
                              const struct log *log, unsigned inherited, struct listener_set *set_r,
                              struct error *error) WARN_UNUSED;
/* What listener_open_all() would find wrong before it opens anything; tls_r: some want TLS. */
enum status listener_check_all(struct arena *arena, const struct spamd_options *options,
                               bool *tls_r, struct error *error) WARN_UNUSED;
bool listener_any_tls(const struct listener_set *set);
void listener_close_all(struct listener_set *set, bool unlink_paths);

#endif
