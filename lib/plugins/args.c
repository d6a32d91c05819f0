/*
 * args.c - arguments of evals as Perl code reads them
 */
#include "plugins/args.h"

#include <stdlib.h>

double
perl_number(struct slice text)
{
	char buffer[64];
	size_t n = 0;

	double plain;

	text = slice_ltrim(text);
	if (slice_to_decimal(text, &plain))
		return plain;
	/* strtod knows hexadecimal, Perl does not: only what a decimal number is made of. */
	while (n < text.len && n < sizeof(buffer) - 1 && text.data[n] != 0 &&
	       strchr("0123456789+-.eE", text.data[n]) != NULL) {
		buffer[n] = (char)text.data[n];
		n++;
	}
	buffer[n] = '\0';
	return strtod(buffer, NULL);
}

enum status
eval_prepare_regex(struct conf_reader *reader, struct rule_eval *rule, size_t index,
                   struct error *error)
{
	if (index >= rule->args.count)
		return STATUS_OK;
	rule->data = regex_create_rule(reader->arena, rule->args.items[index], REGEX_BARE_ALLOWED,
	                               error);
	return rule->data == NULL ? STATUS_BAD : STATUS_OK;
}
