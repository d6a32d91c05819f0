/*
 * pending.h - for plugins whose work is not there yet, and small parsers that several plugins share
 *
 * The network arrives with the resolver, learning with the stores.  What those plugins do today is
 * what the reference does with local tests only: directives are checked and kept, rules exist,
 * evals decide nothing.
 */
#ifndef WINNOW_PLUGINS_PENDING_H
#define WINNOW_PLUGINS_PENDING_H

#include "plugins/scan.h"

/* EVAL_PENDING: undecided for ever, so metas see 0 in their last pass. */
int plugin_eval_pending(struct scan *scan, const struct eval_call *call);

/* Words, lower-cased, become keys of the struct conf_table at the directive's offset; empty =
 * missing. */
enum conf_result plugin_parse_words(struct conf_reader *reader, void *data,
                                    const struct directive *d, struct slice value);
/* The whole value is kept as one more line of the struct conf_words at the directive's offset. */
enum conf_result plugin_keep_line(struct conf_reader *reader, void *data, const struct directive *d,
                                  struct slice value);
/* Number of words. */
size_t plugin_word_count(struct slice value);

#endif
