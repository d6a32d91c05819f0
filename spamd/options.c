/*
 * options.c - command line of spamd
 */
#include "spamd/options.h"

#include <config.h>
#include <getopt.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include "conf/conf.h"

enum option_kind {
	KIND_FLAG,  /* bool at offset becomes `value` */
	KIND_LONG,  /* number */
	KIND_TEXT,  /* const char * */
	KIND_PATH,  /* const char *, made absolute: the server changes its directory */
	KIND_ONLY,  /* bool at offset, of -4 and -6: the last one counts */
	KIND_SLICE, /* struct slice */
	KIND_LIST,  /* slice_vec, comma separated parts appended */
	KIND_LINE,  /* struct slice of lines, appended */
	KIND_DEBUG,
	KIND_HELP,
	KIND_VERSION,
	KIND_IGNORED, /* removed in SpamAssassin too: a warning */
	KIND_REMOVED  /* the same, and the program ends with status 2 */
};

struct option_row {
	const char *name;
	char letter; /* 0: none */
	enum option_kind kind;
	int has_arg; /* of getopt_long */
	size_t offset;
	bool value;
	const char *help; /* NULL: an alias, not in --help */
};

#define AT(field) offsetof(struct spamd_options, field)

/* clang-format off */
static const struct option_row rows[] = {
	{ "add-from", 0, KIND_REMOVED, no_argument, 0, true, NULL },
	{ "noadd-from", 0, KIND_REMOVED, no_argument, 0, true, NULL },
	{ NULL, 'F', KIND_REMOVED, optional_argument, 0, true, NULL },
	{ "allow-tell", 'l', KIND_FLAG, no_argument, AT(allow_tell), true, "Allow learning and reporting by clients" },
	{ "allowed-ips", 'A', KIND_LIST, required_argument, AT(allowed_ips), true, "Limit client addresses; networks, IPv4 or IPv6" },
	{ "auth-ident", 0, KIND_FLAG, no_argument, AT(auth_ident), true, "Clients must be the user they name: ident, owner of the socket" },
	{ "noauth-ident", 0, KIND_FLAG, no_argument, AT(auth_ident), false, NULL },
	{ "cf", 0, KIND_LINE, required_argument, AT(cf_text), true, "Additional line of configuration" },
	{ "check-config", 0, KIND_FLAG, no_argument, AT(check_config), true, "Say what is wrong with the configuration and end" },
	{ "configpath", 'C', KIND_PATH, required_argument, AT(config_path), true, "Path of the distributed rules" },
	{ "create-prefs", 'c', KIND_FLAG, no_argument, AT(create_prefs), true, "Create user preferences files" },
	{ "nocreate-prefs", 0, KIND_FLAG, no_argument, AT(create_prefs), false, NULL },
	{ "daemonize", 'd', KIND_FLAG, no_argument, AT(daemonize), true, "Run in the background" },
	{ "nodaemonize", 0, KIND_FLAG, no_argument, AT(daemonize), false, NULL },
	{ "debug", 'D', KIND_DEBUG, optional_argument, AT(debug_areas), true, "Print debugging messages of areas" },
	{ "default-user", 'U', KIND_TEXT, required_argument, AT(default_user), true, "User to fall back to when started as root" },
	{ "groupname", 'g', KIND_TEXT, required_argument, AT(groupname), true, "Group to run as" },
	{ "help", 'h', KIND_HELP, no_argument, 0, true, "Print this help" },
	{ "helper-home-dir", 'H', KIND_TEXT, optional_argument, AT(helper_home), true, "HOME of helper programs; empty: of the user asked for" },
	{ "listen", 'i', KIND_LIST, optional_argument, AT(listen), true, "Listen on [ssl:]host[:port], [v6]:port, * or /path; repeatable" },
	{ "listen-ip", 0, KIND_LIST, optional_argument, AT(listen), true, NULL },
	{ "ip-address", 0, KIND_LIST, optional_argument, AT(listen), true, NULL },
	{ "ident-timeout", 0, KIND_LONG, required_argument, AT(ident_timeout_s), true, "Seconds for the answer of an ident service (5)" },
	{ "ipv4only", '4', KIND_ONLY, no_argument, AT(ipv4_only), true, "Use IPv4 only" },
	{ "ipv4-only", 0, KIND_ONLY, no_argument, AT(ipv4_only), true, NULL },
	{ "ipv4", 0, KIND_ONLY, no_argument, AT(ipv4_only), true, NULL },
	{ "ipv6only", '6', KIND_ONLY, no_argument, AT(ipv6_only), true, "Use IPv6 only" },
	{ "ldap-config", 0, KIND_FLAG, no_argument, AT(ldap_config), true, "Preferences of users from LDAP" },
	{ "noldap-config", 0, KIND_FLAG, no_argument, AT(ldap_config), false, NULL },
	{ "local", 'L', KIND_FLAG, no_argument, AT(local_only), true, "Use local tests only" },
	{ "nolocal", 0, KIND_FLAG, no_argument, AT(local_only), false, NULL },
	{ "log-timestamp-fmt", 0, KIND_TEXT, optional_argument, AT(timestamp_fmt), true, "Time stamps of log lines, for strftime(3)" },
	{ "max-children", 'm', KIND_LONG, required_argument, AT(max_children), true, "Most worker processes (5)" },
	{ "max-conn-per-child", 0, KIND_LONG, required_argument, AT(max_conn_per_child), true, "Connections before a worker is replaced (200)" },
	{ "max-message-size", 0, KIND_LONG, required_argument, AT(max_message_bytes), true, "Most bytes of a message, also inflated (268435456)" },
	{ "max-scans-per-child", 0, KIND_LONG, required_argument, AT(max_scans_per_child), true, "Messages that a worker holds at once (16)" },
	{ "max-spare", 0, KIND_LONG, required_argument, AT(max_spare), true, "Most idle worker processes (2)" },
	{ "metrics-listen", 0, KIND_LIST, required_argument, AT(metrics_listen), true, "Answer HTTP on this address (port 9783) with metrics" },
	{ "min-children", 0, KIND_LONG, required_argument, AT(min_children), true, "Least worker processes (1)" },
	{ "min-spare", 0, KIND_LONG, required_argument, AT(min_spare), true, "Least idle worker processes (1)" },
	{ "nouser-config", 'x', KIND_FLAG, no_argument, AT(user_config), false, "Do not read user_prefs files" },
	{ "user-config", 0, KIND_FLAG, no_argument, AT(user_config), true, "Read ~/.spamassassin/user_prefs of the user asked for" },
	{ "paranoid", 'P', KIND_FLAG, no_argument, AT(paranoid), true, "Refuse requests for unknown users" },
	{ "noparanoid", 0, KIND_FLAG, no_argument, AT(paranoid), false, NULL },
	{ "pidfile", 'r', KIND_PATH, required_argument, AT(pid_file), true, "Write the process id to this file" },
	{ "port", 'p', KIND_SLICE, required_argument, AT(port), true, "Port of listen addresses without one (783)" },
	{ "pre", 0, KIND_LINE, required_argument, AT(pre_text), true, "Line of configuration before all files" },
	{ "round-robin", 0, KIND_FLAG, no_argument, AT(round_robin), true, "Always --max-children workers" },
	{ "noround-robin", 0, KIND_FLAG, no_argument, AT(round_robin), false, NULL },
	{ "server-cert", 0, KIND_PATH, required_argument, AT(server_cert), true, "TLS certificate (certs/server-cert.pem of the site)" },
	{ "server-key", 0, KIND_PATH, required_argument, AT(server_key), true, "TLS key (certs/server-key.pem of the site)" },
	{ "no-sandbox", 0, KIND_FLAG, no_argument, AT(sandbox), false, "Workers are not confined by seccomp and Landlock" },
	{ "sandbox", 0, KIND_FLAG, no_argument, AT(sandbox), true, NULL },
	{ "setuid-with-ldap", 0, KIND_FLAG, no_argument, AT(setuid_with_ldap), true, "The same, and each message runs as its user" },
	{ "setuid-with-sql", 'Q', KIND_FLAG, no_argument, AT(setuid_with_sql), true, "Preferences of users from SQL, and each message runs as its user" },
	{ "siteconfigpath", 0, KIND_PATH, required_argument, AT(site_path), true, "Path of the site's configuration" },
	{ "socketgroup", 0, KIND_SLICE, required_argument, AT(socket_group), true, "Group of Unix sockets" },
	{ "socketmode", 0, KIND_SLICE, required_argument, AT(socket_mode), true, "Mode of Unix sockets (0666)" },
	{ "socketowner", 0, KIND_SLICE, required_argument, AT(socket_owner), true, "Owner of Unix sockets" },
	{ "socketpath", 0, KIND_SLICE, required_argument, AT(socket_path), true, "Listen on this Unix socket too" },
	{ "sql-config", 'q', KIND_FLAG, no_argument, AT(sql_config), true, "Preferences of users from SQL" },
	{ "nosql-config", 0, KIND_FLAG, no_argument, AT(sql_config), false, NULL },
	{ "ssl", 0, KIND_FLAG, no_argument, AT(ssl), true, "TLS on all TCP listeners" },
	{ "ssl-ca-file", 0, KIND_PATH, required_argument, AT(ssl_ca_file), true, "Client certificates must be signed by a CA of this file" },
	{ "ssl-ca-path", 0, KIND_PATH, required_argument, AT(ssl_ca_path), true, "Client certificates must be signed by a CA of this directory" },
	{ "ssl-port", 0, KIND_SLICE, required_argument, AT(ssl_port), true, "Port of TLS listeners without one; implies --ssl" },
	{ "ssl-verify", 0, KIND_FLAG, no_argument, AT(ssl_verify), true, "Require client certificates; implies --ssl" },
	{ "stop-at-threshold", 'S', KIND_IGNORED, no_argument, 0, true, NULL },
	{ "syslog", 's', KIND_TEXT, required_argument, AT(syslog), true, "Log to a facility, stderr, null or a file (mail)" },
	{ "syslog-socket", 0, KIND_TEXT, required_argument, AT(syslog_socket), true, "How to reach syslog: unix, none (stderr), file" },
	{ "timeout-child", 't', KIND_LONG, required_argument, AT(timeout_child_s), true, "Seconds for one request (300)" },
	{ "timeout-tcp", 'T', KIND_LONG, required_argument, AT(timeout_tcp_s), true, "Seconds for the request line (30)" },
	{ "timing", 0, KIND_FLAG, no_argument, AT(timing), true, "Log what each request took" },
	{ "username", 'u', KIND_TEXT, required_argument, AT(username), true, "User to run as" },
	{ "version", 'V', KIND_VERSION, no_argument, 0, true, "Print the version" },
	{ "virtual-config-dir", 0, KIND_TEXT, required_argument, AT(virtual_config_dir), true, "Preferences of virtual users: pattern with %u %l %d %x" },
	{ "vpopmail", 'v', KIND_FLAG, no_argument, AT(vpopmail), true, "Home directories from vpopmail" },
	{ "novpopmail", 0, KIND_FLAG, no_argument, AT(vpopmail), false, NULL },
};
/* clang-format on */
enum { ROW_COUNT = sizeof(rows) / sizeof(rows[0]), OPTION_BASE = 1000 };

static void
print_version(void)
{
	printf("SpamAssassin Server version %s\n  running on Winnow %s\n"
	       "  with SSL support (%s)\n  with zlib support (zlib %s)\n",
	       CONF_SA_VERSION_TEXT, PACKAGE_VERSION, OpenSSL_version(OPENSSL_VERSION),
	       zlibVersion());
}

static void
print_help(FILE *file)
{
	fprintf(file, "Usage: spamd [options]\n\n");
	for (size_t i = 0; i < ROW_COUNT; i++)
		if (rows[i].help != NULL)
			fprintf(file, "  %c%c%c --%-20s %s\n", rows[i].letter ? '-' : ' ',
			        rows[i].letter ? rows[i].letter : ' ', rows[i].letter ? ',' : ' ',
			        rows[i].name, rows[i].help);
}

static bool
add_list(struct arena *arena, slice_vec *list, const char *text)
{
	struct slice rest = slice_from_cstr(text == NULL ? "*" : text), part;

	if (rest.len == 0)
		rest = SLICE("*");
	while (slice_next(&rest, ',', &part)) {
		part = slice_trim(part);
		if (part.len > 0 && vec_push(arena, list, part) == NULL)
			return false;
	}
	return true;
}

/* NULL: no memory. */
static const char *
make_absolute(struct arena *arena, const char *path)
{
	char directory[4096];

	if (path[0] == '/' || path[0] == '\0' || getcwd(directory, sizeof(directory)) == NULL)
		return path;
	return (const char *)arena_printf(arena, "%s/%s%c", directory, path, '\0').data;
}

/* false: it was not good; said so. */
static bool
take(struct arena *arena, struct spamd_options *o, const struct option_row *row, const char *arg)
{
	void *at = (unsigned char *)o + row->offset;
	struct slice *lines = at;
	char *end;

	switch (row->kind) {
	case KIND_FLAG:
		*(bool *)at = row->value;
		return true;
	case KIND_LONG:
		*(long *)at = strtol(arg, &end, 10);
		if (*end == '\0' && end != arg)
			return true;
		fprintf(stderr, "spamd: --%s wants a number, not \"%s\"\n", row->name, arg);
		return false;
	case KIND_TEXT:
		*(const char **)at = arg == NULL ? "" : arg;
		return true;
	case KIND_PATH:
		return (*(const char **)at = make_absolute(arena, arg)) != NULL;
	case KIND_ONLY:
		o->ipv4_only = o->ipv6_only = false;
		*(bool *)at = true;
		return true;
	case KIND_SLICE:
		*(struct slice *)at = slice_from_cstr(arg);
		return true;
	case KIND_LIST:
		return add_list(arena, at, arg);
	case KIND_LINE:
		*lines = arena_printf(arena, "%.*s%s\n", SLICE_FMT(*lines), arg);
		return lines->data != NULL;
	case KIND_DEBUG:
		*(const char **)at = arg == NULL || arg[0] == '\0' ? "all" : arg;
		return true;
	case KIND_IGNORED:
		fprintf(stderr, "spamd: --%s was removed, it has no effect\n", row->name);
		return true;
	case KIND_REMOVED:
	case KIND_HELP:
	case KIND_VERSION:
		break;
	}
	return true;
}

static void
set_standard(struct spamd_options *o)
{
	*o = (struct spamd_options){
		.pre_text = SLICE(""),
		.cf_text = SLICE(""),
		.user_config = true,
		.sandbox = true,
		.default_user = "nobody",
		.syslog = "mail",
		.max_children = 5,
		.min_children = 1,
		.max_conn_per_child = 200,
		.max_scans_per_child = 16,
		.max_message_bytes = 256L * 1024 * 1024,
		.ident_timeout_s = 5,
		.timeout_tcp_s = 30,
		.timeout_child_s = 300,
		.min_spare = 1,
		.max_spare = 2,
	};
}

/* Aliases are one option to getopt, so that a prefix of several of them is not ambiguous. */
static int
first_alias(size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (rows[i].kind == rows[at].kind && rows[i].offset == rows[at].offset &&
		    rows[i].value == rows[at].value && rows[i].offset != 0)
			return OPTION_BASE + (int)i;
	return OPTION_BASE + (int)at;
}

enum { NAME_MAX_LENGTH = 32 };

struct getopt_tables {
	struct option longs[2 * ROW_COUNT + 1];
	char no_names[ROW_COUNT][NAME_MAX_LENGTH]; /* "no-local" beside "nolocal" */
	char shorts[ROW_COUNT * 3 + 2];
};

static void
make_tables(struct getopt_tables *t)
{
	size_t n = 0, count = 0;

	for (size_t i = 0; i < ROW_COUNT; i++) {
		const struct option_row *row = &rows[i];
		int value = first_alias(i);

		if (row->name != NULL)
			t->longs[count++] = (struct option){row->name, row->has_arg, NULL, value};
		if (row->name != NULL && strncmp(row->name, "no", 2) == 0 && !row->letter) {
			snprintf(t->no_names[i], NAME_MAX_LENGTH, "no-%s", row->name + 2);
			t->longs[count++] =
				(struct option){t->no_names[i], row->has_arg, NULL, value};
		}
		if (!row->letter)
			continue;
		t->shorts[n++] = row->letter;
		if (row->has_arg != no_argument)
			t->shorts[n++] = ':';
		if (row->has_arg == optional_argument)
			t->shorts[n++] = ':';
	}
	t->longs[count] = (struct option){0};
	t->shorts[n] = '\0';
}

static const struct option_row *
find_row(int c)
{
	if (c >= OPTION_BASE)
		return &rows[c - OPTION_BASE];
	for (size_t i = 0; i < ROW_COUNT; i++)
		if (rows[i].letter == c)
			return &rows[i];
	return NULL;
}

/* As the reference puts numbers right that make no sense together. */
static void
settle_numbers(struct spamd_options *o)
{
	if (o->max_children < 1)
		o->max_children = 5;
	if (o->min_children < 1)
		o->min_children = 1;
	if (o->min_children > o->max_children)
		o->min_children = o->max_children;
	if (o->min_spare < 0)
		o->min_spare = 0;
	if (o->min_spare > o->max_children)
		o->min_spare = o->max_children - 1;
	if (o->max_spare < o->min_spare)
		o->max_spare = o->min_spare + 1;
	if (o->max_conn_per_child < 0)
		o->max_conn_per_child = 200;
	if (o->max_scans_per_child < 1)
		o->max_scans_per_child = 1;
	if (o->max_message_bytes < 1)
		o->max_message_bytes = 256L * 1024 * 1024;
	if (o->ident_timeout_s < 1)
		o->ident_timeout_s = 5;
	if (o->timeout_tcp_s < 0)
		o->timeout_tcp_s = 30;
	if (o->timeout_child_s < 0)
		o->timeout_child_s = 300;
}

/* false: options that do not go together; said so. */
static bool
check_together(struct spamd_options *o)
{
	const char *needs_user = o->vpopmail                              ? "vpopmail"
	                         : o->virtual_config_dir != NULL          ? "virtual-config-dir"
	                         : o->sql_config && !o->setuid_with_sql   ? "sql-config"
	                         : o->ldap_config && !o->setuid_with_ldap ? "ldap-config"
	                                                                  : NULL;

	if (o->ssl_ca_file != NULL || o->ssl_ca_path != NULL)
		o->ssl_verify = true;
	if (o->ssl_verify || o->ssl_port.len > 0)
		o->ssl = true;
	if (o->ssl_ca_file != NULL && access(o->ssl_ca_file, F_OK) != 0)
		fprintf(stderr, "spamd: ssl-ca-file %s does not exist\n", o->ssl_ca_file);
	else if (o->ssl_ca_path != NULL && access(o->ssl_ca_path, F_OK) != 0)
		fprintf(stderr, "spamd: ssl-ca-path %s does not exist\n", o->ssl_ca_path);
	else if (o->socket_path.len > 0 && o->socket_path.data[0] != '/')
		fprintf(stderr, "spamd: socketpath option should specify an absolute path: %.*s\n",
		        SLICE_FMT(o->socket_path));
	else if (needs_user != NULL && o->username == NULL)
		fprintf(stderr, "spamd: cannot use --%s without -u\n", needs_user);
	else
		return true;
	return false;
}

/* OPTIONS_RUN: there may be more. */
static enum options_result
take_one(struct arena *arena, struct spamd_options *o, const struct option_row *row,
         const char *arg)
{
	if (row->kind == KIND_HELP) {
		print_help(stdout);
		return OPTIONS_EXIT_OK;
	}
	if (row->kind == KIND_VERSION) {
		print_version();
		return OPTIONS_EXIT_OK;
	}
	if (row->kind == KIND_REMOVED) {
		fprintf(stderr,
		        "spamd: the %s option has been removed from spamd, please remove from your "
		        "commandline and re-run\n",
		        row->letter ? "-F" : "--add-from");
		return OPTIONS_EXIT_REMOVED;
	}
	return take(arena, o, row, arg) ? OPTIONS_RUN : OPTIONS_EXIT_USAGE;
}

enum options_result
spamd_options_parse(struct arena *arena, int argc, char **argv, struct spamd_options *o)
{
	struct getopt_tables tables;
	enum options_result result;
	int c;

	set_standard(o);
	make_tables(&tables);
	while ((c = getopt_long(argc, argv, tables.shorts, tables.longs, NULL)) != -1) {
		const struct option_row *row = find_row(c);
		const char *arg = optarg;

		if (row == NULL) {
			print_help(stderr);
			return OPTIONS_EXIT_USAGE;
		}
		/* "-i 1.2.3.4" and "-D all": an optional argument may stand apart, as with
		 * Getopt::Long. */
		if (row->has_arg == optional_argument && arg == NULL && optind < argc &&
		    argv[optind][0] != '-')
			arg = argv[optind++];
		result = take_one(arena, o, row, arg);
		if (result != OPTIONS_RUN)
			return result;
	}
	for (; optind < argc; optind++)
		fprintf(stderr, "spamd: argument \"%s\" is no option: ignored\n", argv[optind]);
	settle_numbers(o);
	return check_together(o) ? OPTIONS_RUN : OPTIONS_EXIT_USAGE;
}
