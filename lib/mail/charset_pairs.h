/*
 * charset_pairs.h - double-byte characters that perl's Encode maps otherwise than glibc
 */
#ifndef WINNOW_MAIL_CHARSET_PAIRS_H
#define WINNOW_MAIL_CHARSET_PAIRS_H

#include <stdint.h>

struct charset_pairs {
	uint16_t first, last; /* both bytes, big endian */
	uint32_t code;        /* of `first` */
};

/* Each ends in a row of zeros. */
extern const struct charset_pairs charset_pairs_cp936[];
extern const struct charset_pairs charset_pairs_cp949[];
extern const struct charset_pairs charset_pairs_big5_eten[];
extern const struct charset_pairs charset_pairs_cp950[];

#endif
