/*
 * proof.h - may this client speak for the user that it names?
 *
 * Owns: the answer, from the owner of a Unix socket's other end (SO_PEERCRED) or from the ident
 * service of the client's host.  Asked for with --auth-ident; and for TELL over a Unix socket where
 * a message runs as its user, because there one user could teach another's store (SECURITY.md 2.3).
 */
#ifndef WINNOW_SPAMD_PROOF_H
#define WINNOW_SPAMD_PROOF_H

#include "spamd/session.h"

enum proof { PROOF_GOOD, PROOF_BAD, PROOF_WAIT };

/* The request is there.  PROOF_WAIT: session->ident waits, at most --ident-timeout seconds. */
enum proof proof_begin(struct session *session);
/* Something happened to session->ident. */
enum proof proof_step(struct session *session);
/* No answer will come. */
void proof_give_up(struct session *session);

#endif
