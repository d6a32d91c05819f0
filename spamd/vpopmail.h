/*
 * vpopmail.h - home directories of vpopmail's users
 *
 * Owns: asking bin/vuserinfo and bin/valias.  Source: handle_user_vpopmail of 4.0.1.  Waits for
 * programs: only for processes that serve one message.
 */
#ifndef WINNOW_SPAMD_VPOPMAIL_H
#define WINNOW_SPAMD_VPOPMAIL_H

#include "util/arena.h"

/* directory: of vpopmail itself; name: as the client sent it.  NULL: no such user, or no answer
 * within five seconds. */
const char *vpopmail_home(struct arena *arena, const char *directory, const char *name);

#endif
