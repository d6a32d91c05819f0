/*
 * proof.c - may this client speak for the user that it names?
 */
#include "spamd/proof.h"

#include <pwd.h>
#include <stdlib.h>

#include "spamd/ident.h"
#include "spamd/user.h"
#include "util/clock.h"

enum { NAME_BYTES_MAX = 256 };

static struct slice
named(const struct session *s)
{
	if (!s->request.has_user)
		return SLICE("");
	return slice_of(s->in + s->request.user_at, s->request.user_len);
}

static void
log_bad(const struct session *s, const char *why)
{
	char name[NAME_BYTES_MAX + 1];
	struct slice user = slice_sub(named(s), 0, NAME_BYTES_MAX);

	for (size_t i = 0; i < user.len; i++)
		name[i] = user.data[i] > ' ' && user.data[i] < 0x7f ? (char)user.data[i] : '?';
	name[user.len] = '\0';
	log_warn(s->env->log, "spamd", "ident: %s [%s]:%s is not proven to be \"%s\": %s",
	         s->peer_host, s->peer_addr, s->peer_port, name, why);
}

/* root may be anybody. */
static enum proof
ask_kernel(const struct session *s)
{
	struct slice user = named(s);
	char name[NAME_BYTES_MAX + 1];
	const struct passwd *pw = NULL;
	uid_t uid;

	if (!ident_unix_owner(s->fd, &uid)) {
		log_bad(s, "nobody knows whose socket it is");
		return PROOF_BAD;
	}
	if (uid == 0)
		return PROOF_GOOD;
	if (user.len <= NAME_BYTES_MAX && slice_find_byte(user, '\0', 0) == SLICE_NPOS) {
		memcpy(name, user.data, user.len);
		name[user.len] = '\0';
		pw = getpwnam(name);
	}
	if (pw != NULL && pw->pw_uid == uid)
		return PROOF_GOOD;
	log_bad(s, "the socket's other end is another user's");
	return PROOF_BAD;
}

enum proof
proof_begin(struct session *s)
{
	const struct spamd_options *o = s->env->options;
	bool teaches = s->request.verb == SPAMD_TELL && user_changes(o);

	if (named(s).len == 0)
		return PROOF_GOOD;
	if (s->listener->is_unix)
		return o->auth_ident || teaches ? ask_kernel(s) : PROOF_GOOD;
	if (!o->auth_ident)
		return PROOF_GOOD;
	s->ident = calloc(1, sizeof(*s->ident));
	if (s->ident == NULL || ident_open(s->ident, s->fd) != STATUS_AGAIN) {
		log_bad(s, "its host has no ident service");
		proof_give_up(s);
		return PROOF_BAD;
	}
	s->deadline_ms = clock_monotonic_ms() + o->ident_timeout_s * 1000;
	return PROOF_WAIT;
}

enum proof
proof_step(struct session *s)
{
	struct slice name;
	enum status status = ident_step(s->ident, &name);
	bool good = status == STATUS_OK && slice_eq(name, named(s));

	if (status == STATUS_AGAIN)
		return PROOF_WAIT;
	if (status == STATUS_OK && !good)
		log_bad(s, "its host says that it is another");
	else if (!good)
		log_bad(s, "its host's ident service names nobody");
	proof_give_up(s);
	return good ? PROOF_GOOD : PROOF_BAD;
}

void
proof_give_up(struct session *s)
{
	if (s->ident != NULL)
		ident_close(s->ident);
	free(s->ident);
	s->ident = NULL;
}
