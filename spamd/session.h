/*
 * session.h - one client of spamd
 *
 * Owns: struct session, a state machine fed by the worker's loop:
 *
 *	HANDSHAKE (TLS only) --> LINE --request line--> HEADERS --empty line--> BODY --all bytes-->
 *SCAN --verdict--> WRITE
 *--written--> CLOSED
 *	   BODY --all bytes, --auth-ident--> IDENT --> SCAN, AWAY or WRITE
 *	   BODY --all bytes--> AWAY (instead of SCAN and WRITE, where a user has a process)
 *	   \--PING, SKIP, errors------------------------------------------------> WRITE
 *
 * In SCAN session_step() does one step of the check; in the other states only bytes move.  Nothing
 *here blocks.
 */
#ifndef WINNOW_SPAMD_SESSION_H
#define WINNOW_SPAMD_SESSION_H

#include "check/check.h"
#include "dns/probe.h"
#include "net/spamd_request.h"
#include "net/tls.h"
#include "spamd/listener.h"
#include "spamd/metrics.h"
#include "spamd/options.h"
#include "spamd/sandbox.h"

enum session_state {
	SESSION_HANDSHAKE, /* of TLS */
	SESSION_LINE,
	SESSION_HEADERS,
	SESSION_BODY,
	SESSION_IDENT, /* the client's host is asked who it is: proof.h */
	SESSION_SCAN,
	SESSION_AWAY, /* scanned and answered by a process of its own */
	SESSION_WRITE,
	SESSION_CLOSED
};

struct ident;
struct session;

/* What all sessions of a worker share. */
struct session_env {
	const struct spamd_options *options;
	const struct filter *filter;
	const struct log *log;
	struct match_scratch *match;
	struct resolver *resolver; /* of this process; NULL: no DNS */
	struct dns_probe probe;    /* the same */
	struct metrics_writer metrics;
	unsigned long uid;                   /* of this process, for the log */
	bool own_process;                    /* each message gets one: user_needs_process() */
	struct learner *learner;             /* this process's; made when first needed */
	struct user_scores *scores;          /* the same */
	const struct sandbox_needs *sandbox; /* of such a process; NULL: none */
	/* In such a process: closes all that is not this session's. */
	void (*leave_others)(void *worker, const struct session *own);
	void *worker;
	struct arena *spare[8]; /* arenas of finished messages, to be used again */
	size_t spare_count;
};

struct session {
	struct session_env *env;
	const struct listener *listener;
	int fd;
	struct tls *tls; /* NULL: plain */
	enum session_state state;
	bool eof;
	bool is_cut;  /* TLS ended without the peer saying so */
	bool waiting; /* in SCAN: for check->scan.wait */

	unsigned char *in; /* grows by what arrives */
	size_t in_len, in_size;
	struct spamd_request request;
	struct slice message; /* the body, inflated */
	struct ident *ident;  /* in IDENT */
	unsigned char *inflated;

	struct arena *arena;
	struct check *check;
	pid_t away_pid; /* AWAY: fd is the pipe that ends with it */
	struct slice out;
	size_t out_sent;

	struct slice user;
	char peer_host[64], peer_addr[64];
	char peer_port[128]; /* path for Unix sockets */
	struct slice message_id, resent_id;
	int64_t begun_us, deadline_ms;
	int64_t read_us, scanned_us; /* with --timing */
};

/* Takes over fd. NULL: no memory, fd is closed. */
struct session *session_create(struct session_env *env, int fd, int64_t now_ms);
void session_destroy(struct session **session);
/* Before the first session_ready(): the client is to speak TLS.  false: no memory. */
bool session_start_tls(struct session *session, const struct tls_server *server) WARN_UNUSED;
/* The line about the connection; after the handshake, if there is one. */
void session_log_connection(const struct session *session, bool is_allowed);

/* Memory that it holds. */
size_t session_bytes(const struct session *session);

/* poll() events it waits for; 0 in SCAN unless the scan itself waits. */
short session_events(const struct session *session);
/* Descriptor that they are about. */
int session_fd(const struct session *session);
/* It waits for DNS alone: costs memory, no work. */
bool session_waits_for_answers(const struct session *session);
/* Has the time come, or the answer, that a waiting scan asked for? */
bool session_is_due(const struct session *session, int64_t now_ms);
/* Bytes can be read or written. */
void session_ready(struct session *session, int64_t now_ms);
/* One step of the scan (SCAN only). */
void session_step(struct session *session, int64_t now_ms);
/* The deadline passed. */
void session_timeout(struct session *session);

#endif
