/*
 * condition.h - the expressions of `if` and `ifplugin`
 *
 * Source: Conf/Parser.pm handle_conditional: arithmetic over numbers, version, perl_version,
 * local_tests_only, plugin(CLASS), can(NAME), has(NAME).
 */
#ifndef WINNOW_CONF_CONDITION_H
#define WINNOW_CONF_CONDITION_H

#include "conf/conf.h"

enum condition_result {
	CONDITION_FALSE,
	CONDITION_TRUE,
	CONDITION_BAD /* a value that is not allowed: reported, the line is ignored */
};

enum condition_result condition_evaluate(struct conf_reader *reader, struct slice expression);

#endif
