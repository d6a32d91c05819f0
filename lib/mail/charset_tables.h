/*
 * charset_tables.h - upper halves of the single-byte character sets
 */
#ifndef WINNOW_MAIL_CHARSET_TABLES_H
#define WINNOW_MAIL_CHARSET_TABLES_H

#include <stddef.h>
#include <stdint.h>

struct charset_table {
	const char *name;
	uint16_t upper[128]; /* 0xfffd: no character */
};

extern const struct charset_table charset_tables[];
extern const size_t charset_table_count;

#endif
