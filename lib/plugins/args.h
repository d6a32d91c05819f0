/*
 * args.h - arguments of evals as Perl code reads them
 */
#ifndef WINNOW_PLUGINS_ARGS_H
#define WINNOW_PLUGINS_ARGS_H

#include "plugins/scan.h"

static inline bool
eval_has_arg(const struct eval_call *call, size_t index)
{
	return index < call->arg_count;
}

/* "" when there is none. */
static inline struct slice
eval_arg(const struct eval_call *call, size_t index)
{
	return index < call->arg_count ? call->args[index] : SLICE("");
}

/* As Perl reads a number: its longest decimal beginning, else 0. */
double perl_number(struct slice text);

static inline double
eval_number(const struct eval_call *call, size_t index)
{
	return perl_number(eval_arg(call, index));
}

/* Perl's idea of false: "" and "0". */
static inline bool
perl_is_false(struct slice text)
{
	return text.len == 0 || (text.len == 1 && text.data[0] == '0');
}

/*
 * Prepare hook for evals whose argument `index` is a pattern, delimited or bare.  Without that
 * argument data stays NULL, which is no error: the eval then never hits.
 */
enum status eval_prepare_regex(struct conf_reader *reader, struct rule_eval *rule, size_t index,
                               struct error *error);

#endif
