/*
 * update_gpg.h - who signed an archive
 *
 * Owns: struct update_gpg: the keyring's directory and the keys that may sign releases.  Source:
 * sa-update 4.0.1; the work is done by gpg(1), whose status lines (doc/DETAILS of GnuPG) are read.
 * A trusted key of 40 digits is a fingerprint and compared as one; one of 8 digits is compared with
 * the end of the signing key's.
 */
#ifndef WINNOW_CMD_UPDATE_GPG_H
#define WINNOW_CMD_UPDATE_GPG_H

#include "util/log.h"
#include "util/vec.h"

struct update_gpg {
	struct arena *arena;
	const struct log *log;
	const char *home;
	slice_vec trusted; /* upper case */
};

/* With the keys of the SpamAssassin project. */
void update_gpg_init(struct update_gpg *gpg, struct arena *arena, const struct log *log,
                     const char *home);
/* Is there a program gpg in $PATH? */
bool update_gpg_is_there(void);
/* What is no key id is left out, with a debug line. */
void update_gpg_trust(struct update_gpg *gpg, struct slice key);
/* gpg's exit status, 255 when it could not be run. */
int update_gpg_import(const struct update_gpg *gpg, const char *file);
/* Imports default_keys (NULL: none) when there is no keyring yet. */
void update_gpg_prepare(const struct update_gpg *gpg, const char *default_keys);

struct update_signature {
	bool good;                 /* of a trusted key, and no bad one beside it */
	struct slice missing_keys; /* key ids that the keyring has not, a blank behind each */
};
/* Paths of two files. */
void update_gpg_verify(const struct update_gpg *gpg, const char *signature, const char *content,
                       struct update_signature *result_r);

#endif
