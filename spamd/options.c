/*
 * options.c - command line of spamd
 */
#include "spamd/options.h"

#include <config.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/conf.h"

enum option_kind {
	KIND_FLAG,  /* bool at offset becomes `value` */
	KIND_LONG,  /* number */
	KIND_TEXT,  /* const char * */
	KIND_SLICE, /* struct slice */
	KIND_LIST,  /* slice_vec, comma separated parts appended */
	KIND_LINE,  /* struct slice of lines, appended */
	KIND_DEBUG,
	KIND_HELP,
	KIND_VERSION,
	KIND_IGNORED, /* removed in SpamAssassin too: a warning */
	KIND_LATER    /* not there yet: an error */
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
	{ "allow-tell", 'l', KIND_LATER, no_argument, 0, true, "Allow learning/reporting (not there yet: no store)" },
	{ "allowed-ips", 'A', KIND_LIST, required_argument, AT(allowed_ips), true, "Limit client addresses; networks, IPv4 or IPv6" },
	{ "cf", 0, KIND_LINE, required_argument, AT(cf_text), true, "Additional line of configuration" },
	{ "configpath", 'C', KIND_TEXT, required_argument, AT(config_path), true, "Path of the distributed rules" },
	{ "create-prefs", 'c', KIND_LATER, no_argument, 0, true, "Create user preferences files (not there yet)" },
	{ "daemonize", 'd', KIND_FLAG, no_argument, AT(daemonize), true, "Run in the background" },
	{ "debug", 'D', KIND_DEBUG, optional_argument, AT(debug_areas), true, "Print debugging messages of areas" },
	{ "default-user", 'U', KIND_TEXT, required_argument, AT(default_user), true, "User to fall back to when started as root" },
	{ "groupname", 'g', KIND_TEXT, required_argument, AT(groupname), true, "Group to run as" },
	{ "help", 'h', KIND_HELP, no_argument, 0, true, "Print this help" },
	{ "ip-address", 0, KIND_LIST, optional_argument, AT(listen), true, NULL },
	{ "ipv4", 0, KIND_FLAG, no_argument, AT(ipv4_only), true, NULL },
	{ "ipv4-only", 0, KIND_FLAG, no_argument, AT(ipv4_only), true, NULL },
	{ "ipv4only", '4', KIND_FLAG, no_argument, AT(ipv4_only), true, "Use IPv4 only" },
	{ "ipv6only", '6', KIND_FLAG, no_argument, AT(ipv6_only), true, "Use IPv6 only" },
	{ "ldap-config", 0, KIND_LATER, no_argument, 0, true, "Preferences from LDAP (not there yet)" },
	{ "listen", 'i', KIND_LIST, optional_argument, AT(listen), true, "Listen on host[:port], [v6]:port, * or /path; repeatable" },
	{ "listen-ip", 0, KIND_LIST, optional_argument, AT(listen), true, NULL },
	{ "local", 'L', KIND_FLAG, no_argument, AT(local_only), true, "Use local tests only" },
	{ "max-children", 'm', KIND_LONG, required_argument, AT(max_children), true, "Most worker processes (5)" },
	{ "max-conn-per-child", 0, KIND_LONG, required_argument, AT(max_conn_per_child), true, "Connections before a worker is replaced (200)" },
	{ "max-scans-per-child", 0, KIND_LONG, required_argument, AT(max_scans_per_child), true, "Messages that a worker holds at once (16)" },
	{ "min-children", 0, KIND_LONG, required_argument, AT(min_children), true, "Least worker processes (1)" },
	{ "nodaemonize", 0, KIND_FLAG, no_argument, AT(daemonize), false, NULL },
	{ "nolocal", 0, KIND_FLAG, no_argument, AT(local_only), false, NULL },
	{ "nouser-config", 'x', KIND_FLAG, no_argument, AT(user_config), false, "Do not read user_prefs files" },
	{ "paranoid", 'P', KIND_FLAG, no_argument, AT(paranoid), true, "Refuse requests for unknown users" },
	{ "noparanoid", 0, KIND_FLAG, no_argument, AT(paranoid), false, NULL },
	{ "pidfile", 'r', KIND_TEXT, required_argument, AT(pid_file), true, "Write the process id to this file" },
	{ "port", 'p', KIND_SLICE, required_argument, AT(port), true, "Port of listen addresses without one (783)" },
	{ "pre", 0, KIND_LINE, required_argument, AT(pre_text), true, "Line of configuration before all files" },
	{ "setuid-with-ldap", 0, KIND_LATER, no_argument, 0, true, "Preferences from LDAP with setuid (not there yet)" },
	{ "setuid-with-sql", 'Q', KIND_LATER, no_argument, 0, true, "Preferences from SQL with setuid (not there yet)" },
	{ "siteconfigpath", 0, KIND_TEXT, required_argument, AT(site_path), true, "Path of the site's configuration" },
	{ "socketgroup", 0, KIND_SLICE, required_argument, AT(socket_group), true, "Group of Unix sockets" },
	{ "socketmode", 0, KIND_SLICE, required_argument, AT(socket_mode), true, "Mode of Unix sockets (0666)" },
	{ "socketowner", 0, KIND_SLICE, required_argument, AT(socket_owner), true, "Owner of Unix sockets" },
	{ "socketpath", 0, KIND_SLICE, required_argument, AT(socket_path), true, "Listen on this Unix socket too" },
	{ "sql-config", 'q', KIND_LATER, no_argument, 0, true, "Preferences from SQL (not there yet)" },
	{ "ssl", 0, KIND_LATER, no_argument, 0, true, "TLS on TCP listeners (not there yet)" },
	{ "ssl-port", 0, KIND_LATER, required_argument, 0, true, "Port of TLS listeners (not there yet)" },
	{ "ssl-verify", 0, KIND_LATER, no_argument, 0, true, "Require client certificates (not there yet)" },
	{ "ssl-ca-file", 0, KIND_LATER, required_argument, 0, true, "CA file (not there yet)" },
	{ "ssl-ca-path", 0, KIND_LATER, required_argument, 0, true, "CA directory (not there yet)" },
	{ "server-key", 0, KIND_LATER, required_argument, 0, true, "TLS key (not there yet)" },
	{ "server-cert", 0, KIND_LATER, required_argument, 0, true, "TLS certificate (not there yet)" },
	{ "stop-at-threshold", 'S', KIND_IGNORED, no_argument, 0, true, NULL },
	{ "syslog", 's', KIND_TEXT, required_argument, AT(syslog), true, "Log to a facility, stderr, null or a file (mail)" },
	{ "timeout-child", 't', KIND_LONG, required_argument, AT(timeout_child_s), true, "Seconds for one request (300)" },
	{ "timeout-tcp", 'T', KIND_LONG, required_argument, AT(timeout_tcp_s), true, "Seconds for the request line (30)" },
	{ "user-config", 0, KIND_FLAG, no_argument, AT(user_config), true, "Read ~/.spamassassin/user_prefs of the user asked for" },
	{ "username", 'u', KIND_TEXT, required_argument, AT(username), true, "User to run as" },
	{ "version", 'V', KIND_VERSION, no_argument, 0, true, "Print the version" },
	{ "virtual-config-dir", 0, KIND_LATER, required_argument, 0, true, "Preferences directories of virtual users (not there yet)" },
	{ "vpopmail", 'v', KIND_LATER, no_argument, 0, true, "vpopmail users (not there yet)" },
};
/* clang-format on */
enum { ROW_COUNT = sizeof(rows) / sizeof(rows[0]), OPTION_BASE = 1000 };

static void
print_help(void)
{
	printf("Usage: spamd [options]\n\n");
	for (size_t i = 0; i < ROW_COUNT; i++)
		if (rows[i].help != NULL)
			printf("  %c%c%c --%-20s %s\n", rows[i].letter ? '-' : ' ',
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
		*(const char **)at = arg;
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
		*(const char **)at = arg == NULL ? "all" : arg;
		return true;
	case KIND_IGNORED:
		fprintf(stderr, "spamd: --%s was removed, it has no effect\n", row->name);
		return true;
	case KIND_LATER:
		fprintf(stderr, "spamd: --%s is not there yet in Winnow; leave it out\n",
		        row->name);
		return false;
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
		.port = SLICE("783"),
		.pre_text = SLICE(""),
		.cf_text = SLICE(""),
		.user_config = true,
		.default_user = "nobody",
		.syslog = "mail",
		.max_children = 5,
		.min_children = 1,
		.max_conn_per_child = 200,
		.max_scans_per_child = 16,
		.timeout_tcp_s = 30,
		.timeout_child_s = 300,
		.min_spare = 1,
		.max_spare = 2,
	};
}

static void
make_tables(struct option *longs, char *shorts)
{
	size_t n = 0;

	shorts[n++] = '+';
	for (size_t i = 0; i < ROW_COUNT; i++) {
		longs[i] =
			(struct option){rows[i].name, rows[i].has_arg, NULL, OPTION_BASE + (int)i};
		if (!rows[i].letter)
			continue;
		shorts[n++] = rows[i].letter;
		if (rows[i].has_arg != no_argument)
			shorts[n++] = ':';
		if (rows[i].has_arg == optional_argument)
			shorts[n++] = ':';
	}
	longs[ROW_COUNT] = (struct option){0};
	shorts[n] = '\0';
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

static bool
check_numbers(struct spamd_options *o)
{
	if (o->max_children < 1)
		o->max_children = 5;
	if (o->min_children < 1)
		o->min_children = 1;
	if (o->min_children > o->max_children)
		o->min_children = o->max_children;
	if (o->max_conn_per_child < 0)
		o->max_conn_per_child = 0;
	if (o->max_scans_per_child < 1)
		o->max_scans_per_child = 1;
	if (o->ipv4_only && o->ipv6_only) {
		fprintf(stderr, "spamd: -4 and -6 exclude each other\n");
		return false;
	}
	return true;
}

enum options_result
spamd_options_parse(struct arena *arena, int argc, char **argv, struct spamd_options *o)
{
	struct option longs[ROW_COUNT + 1];
	char shorts[ROW_COUNT * 3 + 2];
	int c;

	set_standard(o);
	make_tables(longs, shorts);
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct option_row *row = find_row(c);
		const char *arg = optarg;

		if (row == NULL)
			return OPTIONS_EXIT_USAGE;
		if (row->kind == KIND_HELP) {
			print_help();
			return OPTIONS_EXIT_OK;
		}
		if (row->kind == KIND_VERSION) {
			printf("SpamAssassin Server version %s (Winnow %s)\n", CONF_SA_VERSION_TEXT,
			       PACKAGE_VERSION);
			return OPTIONS_EXIT_OK;
		}
		/* "-i 1.2.3.4" and "-D all": an optional argument may stand apart, as with
		 * Getopt::Long. */
		if (row->has_arg == optional_argument && arg == NULL && optind < argc &&
		    argv[optind][0] != '-')
			arg = argv[optind++];
		if (!take(arena, o, row, arg))
			return OPTIONS_EXIT_USAGE;
	}
	if (optind < argc) {
		fprintf(stderr, "spamd: unexpected argument \"%s\"\n", argv[optind]);
		return OPTIONS_EXIT_USAGE;
	}
	return check_numbers(o) ? OPTIONS_RUN : OPTIONS_EXIT_USAGE;
}
