/*
 * options.h - command line of spamd
 *
 * Owns: struct spamd_options.  Source: compat/options.tsv.  An option whose work is not there yet
 * ends the program with a clear error; none is parsed and ignored.
 */
#ifndef WINNOW_SPAMD_OPTIONS_H
#define WINNOW_SPAMD_OPTIONS_H

#include "net/netset.h"
#include "util/vec.h"

struct spamd_options {
	slice_vec listen; /* as written; empty: localhost */
	slice_vec allowed_ips;
	slice_vec metrics_listen; /* empty: no metrics */
	struct slice port;        /* empty: 783 */
	struct slice socket_path, socket_owner, socket_group, socket_mode;
	const char *config_path, *site_path;
	struct slice pre_text, cf_text; /* lines, "" */
	bool ipv4_only, ipv6_only;
	bool ssl, ssl_verify; /* on all TCP listeners; client certificates */
	struct slice ssl_port;
	const char *ssl_ca_file, *ssl_ca_path;
	const char *server_key, *server_cert; /* NULL: those of the site's certs/ */
	/* Users' preferences from a database; setuid_: also becomes the user. */
	bool sql_config, setuid_with_sql, ldap_config, setuid_with_ldap;
	bool local_only, user_config, allow_tell, paranoid;
	bool daemonize, round_robin;
	bool sandbox;            /* of the workers */
	bool check_config;       /* say what is wrong, open nothing */
	const char *debug_areas; /* NULL: none */
	const char *username, *groupname, *default_user;
	bool create_prefs, vpopmail, timing;
	const char *virtual_config_dir; /* pattern */
	const char *helper_home;        /* NULL: the invoker's; "": of the user asked for */
	const char *pid_file;
	const char *syslog;        /* facility, stderr, null, file, path */
	const char *syslog_socket; /* NULL: unix */
	const char *timestamp_fmt; /* NULL: as each kind of log has it */
	long max_children, min_children, max_conn_per_child;
	long min_spare, max_spare;
	long timeout_tcp_s, timeout_child_s;
	long max_scans_per_child;
	long max_message_bytes;
	bool auth_ident; /* clients prove that they are the user they name */
	long ident_timeout_s;
};

enum options_result { OPTIONS_RUN, OPTIONS_EXIT_OK, OPTIONS_EXIT_USAGE, OPTIONS_EXIT_REMOVED };

/* Prints help, version or what is wrong itself. */
enum options_result spamd_options_parse(struct arena *arena, int argc, char **argv,
                                        struct spamd_options *options_r);

#endif
