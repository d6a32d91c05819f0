/*
 * clock.h - the only reader of time
 *
 * Deadlines are absolute milliseconds of the monotonic clock; wall time is for log lines and date
 * rules only.
 */
#ifndef WINNOW_UTIL_CLOCK_H
#define WINNOW_UTIL_CLOCK_H

#include <stdint.h>

int64_t clock_monotonic_ms(void);
int64_t clock_monotonic_us(void);
/* As clock_monotonic_ms, some ms behind and cheaper: to be asked often. */
int64_t clock_coarse_ms(void);
/* Seconds since 1970. */
int64_t clock_wall_s(void);
/* CPU time of this process. */
int64_t clock_cpu_us(void);

#endif
