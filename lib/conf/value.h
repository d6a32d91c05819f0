/*
 * value.h - directive values by type
 *
 * Source: directives.tsv rows "(type ...)"; an empty value is "missing", so that a default cannot
 * be reset to empty.
 */
#ifndef WINNOW_CONF_VALUE_H
#define WINNOW_CONF_VALUE_H

#include "conf/conf.h"

/* Parses `value` by the directive's type into settings + offset, then lets directive->parse check
 * or act. */
enum conf_result conf_value_parse(struct conf_reader *reader, void *settings,
                                  const struct directive *directive, struct slice value);

#endif
