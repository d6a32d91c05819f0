/*
 * senders.h - what AWL and TxRep share: settings, keys, and the lists that a process has open
 *
 * Owns: struct senders (one a process, the learner's), struct sender_settings.  Source:
 * AutoWelcomelist.pm, TxRep.pm of 4.0.1.  Data: configuration and whose message it is -> path ->
 * store/reputation.h.  A list that is damaged or cannot be reached is said once a minute, and mail
 * goes on without it.
 */
#ifndef WINNOW_PLUGINS_SENDERS_H
#define WINNOW_PLUGINS_SENDERS_H

#include "plugins/scan.h"
#include "store/reputation.h"

/* auto_welcomelist_*, user_awl_*: both plugins have them, with other defaults. */
struct sender_settings {
	struct slice path, factory, file_mode, db_modules;
	double ipv4_bits, ipv6_bits;
	bool distinguishes_signed;
	struct slice dsn, sql_user, sql_password, sql_table, sql_override_user;
};

enum sender_operation { SENDER_WELCOMELIST, SENDER_BLOCKLIST, SENDER_REMOVE, SENDER_OPERATIONS };

/* For the directive tables: checks after parsing, and parsers. */
enum conf_result sender_parse_path(struct conf_reader *reader, void *data,
                                   const struct directive *d, struct slice value);
enum conf_result sender_parse_mode(struct conf_reader *reader, void *data,
                                   const struct directive *d, struct slice value);
/* A number of bits at the directive's offset, as double. */
enum conf_result sender_parse_ipv4_bits(struct conf_reader *reader, void *data,
                                        const struct directive *d, struct slice value);
enum conf_result sender_parse_ipv6_bits(struct conf_reader *reader, void *data,
                                        const struct directive *d, struct slice value);

/*
 * The config of this message's list.  path: in place of auto_welcomelist_path (data NULL: that).
 * It lives in the scan's arena.  Where both plugins are loaded, the later one's settings hold.
 */
enum status sender_config(struct scan *scan, struct slice path, struct reputation_config *config_r,
                          struct error *error) WARN_UNUSED;

/* Whose message it is, as databases know him. */
struct slice sender_user(struct scan *scan);

/* Lower case, and no byte that the lists' keys give a meaning to. */
struct slice sender_address(struct arena *arena, struct slice address);
/* The network of the address as the reference writes it ("192.0", "2001:0DB8:0001::"); "none" for
 * what is no address, or data NULL. */
struct slice sender_network(struct scan *scan, const struct sender_settings *settings,
                            struct slice ip, const char *area);
/* _DKIMDOMAIN_: who signed; data NULL: nobody. */
struct slice sender_signed_by(struct scan *scan);

/* auto_welcomelist_path where this configuration has a list of senders in a file; data NULL: it has
 * none; "": more than one. */
struct slice sender_list_path(const struct conf *conf);

/* The DSN where the list of senders is in a database; data NULL: it is not. */
struct slice sender_list_dsn(const struct conf *conf);

/* The rule of that name hits with a score of its own, three decimals of it. */
void sender_hit(struct scan *scan, struct slice rule, const char *area, double score);

/* ---- the process's ---- */

struct senders;

struct senders *senders_create(const struct log *log);
void senders_destroy(struct senders **senders);
/* Gives back what is open. */
void senders_close(struct senders *senders);
/* The list stays ours; two may be in use at once. */
enum status senders_list(struct senders *senders, const struct reputation_config *config,
                         struct reputation **list_r, struct error *error) WARN_UNUSED;
/* Says what went wrong, but not all the time. */
void senders_warn(struct senders *senders, const char *area, const char *text);

#endif
